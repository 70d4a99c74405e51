package catalog

import "kazashi.example/sync/record"

var verdicts = map[record.Verdict]Sentence{
	record.VerdictAccepted: {
		Text{"受付できました", "Accepted"},
		Text{"受け付けました。カードをお取りください。", "You are checked in. Please take your card."},
	},
	record.VerdictProvisional: {
		Text{"仮受付しました", "Accepted for now"},
		Text{
			"受け付けました。確認は後ほど行います。カードをお取りください。",
			"You are checked in; we will confirm it later. Please take your card.",
		},
	},
	record.VerdictRefused: {
		Text{"受付できません", "Not accepted"},
		Text{
			"このカードでは受付できません。カードをお取りください。別の方法をご案内します。",
			"This card cannot be used here. Please take it back; we will help you another way.",
		},
	},
	record.VerdictRecorded: {
		Text{"記録しました", "Recorded"},
		Text{"記録しました。カードをお取りください。", "Your tap was written down. Please take your card."},
	},
}

// notTheCard is what the person hears who is refused because of the box, the rule or the desk: the card may be sound.
var notTheCard = Sentence{
	verdicts[record.VerdictRefused].Name,
	Text{
		"ただいま、この窓口ではカードで受付できません。カードをお取りください。別の方法をご案内します。",
		"Cards cannot be taken at this desk just now. Please take yours back; we will help you another way.",
	},
}

var reasons = map[record.Reason]Sentence{
	record.ReasonInOrder: {
		Text{"問題なし", "In order"},
		Text{"必要な確認はすべて済みました。", "Everything that this service asks for was checked."},
	},
	record.ReasonListOld: {
		Text{"失効リストが古い", "List is old"},
		Text{
			"失効リストが古いため、回線が戻りしだいセンターで確認します。そのまま受付を続けてください。",
			"The revocation list is old; central confirms once the line is back. Carry on serving.",
		},
	},
	record.ReasonListMissing: {
		Text{"失効リストなし", "No list"},
		Text{
			"このカードを調べられる失効リストが装置にないため、記録だけを行いました。センターで確認します。そのまま続けてください。",
			"The box has no revocation list that it can check this card by, so it was only written down; central will check it. Carry on.",
		},
	},
	record.ReasonIssuerNotVerified: {
		Text{"発行元は後で確認", "Issuer checked later"},
		Text{
			"証明書の発行元をこの装置では確認できません。センターで確認します。そのまま受付を続けてください。",
			"The box cannot check who issued the certificate; central will. Carry on serving.",
		},
	},
	record.ReasonClockPoor: {
		Text{"時計が不確か", "Clock not sure"},
		Text{
			"装置の時計が不確かなため、有効期限はセンターで確認します。そのまま受付を続けてください。",
			"The clock of the box is not sure, so central checks the dates. Carry on serving.",
		},
	},
	record.ReasonRecordOnly: {
		Text{"記録のみ", "Record only"},
		Text{"カードによる確認はせず、記録だけを行いました。", "No card was checked; it was only written down."},
	},
	record.ReasonEnrolmentPending: {
		Text{"登録の確認待ち", "Registration unconfirmed"},
		Text{
			"この装置で登録した方です。登録は回線が戻りしだいセンターで確認します。そのまま受付を続けてください。",
			"This person registered here; central confirms the registration once the line is back. Carry on serving.",
		},
	},
	record.ReasonAgain: {
		Text{"2回目以降の利用", "Used before"},
		Text{
			"受け付けました。同じ方が、決められた期間のうちに、このサービスをすでに利用しています。",
			"Accepted. The same person has used this service before within its set time.",
		},
	},
	record.ReasonExpired: {
		Text{"有効期限切れ", "Expired"},
		Text{
			"電子証明書の有効期限が切れています。市区町村の窓口で更新できることをご案内ください。",
			"The certificate in the card has expired. Tell the person that the city office can renew it.",
		},
	},
	record.ReasonNotYetValid: {
		Text{"有効期間の前", "Not yet valid"},
		Text{
			"電子証明書の有効期間がまだ始まっていません。装置の時計を確かめ、合っていれば市区町村の窓口をご案内ください。",
			"The certificate is not valid yet. Check the clock of the box; if it is right, direct the person to the city office.",
		},
	},
	record.ReasonRevoked: {
		Text{"失効", "Revoked"},
		Text{
			"電子証明書が失効しています。新しいカードや証明書をお持ちか尋ね、なければ市区町村の窓口をご案内ください。",
			"The certificate is revoked. Ask for a newer card; if there is none, direct the person to the city office.",
		},
	},
	record.ReasonOnHold: {
		Text{"一時停止中", "On hold"},
		Text{
			"カードの利用が一時停止されています。解除は市区町村の窓口でできることをご案内ください。",
			"The card is suspended. Tell the person that the city office can lift the suspension.",
		},
	},
	record.ReasonChainBroken: {
		Text{"証明書が正しくない", "Certificate not genuine"},
		Text{
			"証明書の署名が正しくありません。カードを預からずにお返しし、責任者に知らせてください。",
			"The signature on the certificate is wrong. Give the card back and tell the person in charge.",
		},
	},
	record.ReasonProfile: {
		Text{"対象外の証明書", "Wrong kind of certificate"},
		Text{
			"利用者証明用の電子証明書ではありません。マイナンバーカードかどうかを確かめてください。",
			"This is not a user authentication certificate. Check that the card is a My Number Card.",
		},
	},
	record.ReasonHierarchy: {
		Text{"対象外の発行系統", "Not taken here"},
		Text{
			"練習用または試験用など、このサービスでは使えない発行系統のカードです。正しいカードか確かめてください。",
			"The card comes from a hierarchy that this service does not take, such as practice or test. Check that it is the right card.",
		},
	},
	record.ReasonEvidenceTooWeak: {
		Text{"確認が不足", "More proof needed"},
		Text{
			"このサービスにはより確かな確認が必要です。「暗証番号で確認」から、もう一度行ってください。",
			"This service asks for stronger proof. Try again under “Check with PIN”.",
		},
	},
	record.ReasonUnknownIssuer: {
		Text{"発行元が不明", "Unknown issuer"},
		Text{
			"証明書の発行元がわかりません。マイナンバーカードかどうかを確かめ、続くときは責任者に知らせてください。",
			"No known authority issued the certificate. Check that it is a My Number Card; if it happens again, tell the person in charge.",
		},
	},
	record.ReasonNotEnrolled: {
		Text{"未登録", "Not registered"},
		Text{
			"このカードの登録がこの装置にありません。初めての方は「初めての方の登録」で、登録済みの方は「暗証番号で確認」で受け付けてください。",
			"This box knows no registration of this card. Use “First-time registration” for new people, “Check with PIN” for those who registered before.",
		},
	},
	record.ReasonCardDiffers: {
		Text{"登録したカードと違う", "Not the registered card"},
		Text{
			"カードは本物ですが、登録したカードではありません。証明書だけがほかのカードと組み合わされた可能性があるため、受付しないでください。" +
				"ご本人であれば、暗証番号で登録し直していただけます。",
			"The card is genuine but is not the one that was registered: the certificate may have been passed on. Do not serve. " +
				"If this is the right person, ask for registration with the PIN again.",
		},
	},
	record.ReasonCardNotGenuine: {
		Text{"真正なカードと確認できない", "Card not proved genuine"},
		Text{
			"本物のカードであることを確かめられませんでした。受付せず、カードを預からずにお返しし、責任者に知らせてください。",
			"The card could not be proved genuine. Do not serve; give the card back and tell the person in charge.",
		},
	},
	record.ReasonPINNotProved: {
		Text{"暗証番号の確認が不成立", "PIN not proved"},
		Text{
			"暗証番号による署名が正しくありません。もう一度行い、同じ結果になるときは受付せず、責任者に知らせてください。",
			"The signature that proves the PIN is wrong. Try once more; if it happens again, do not serve and tell the person in charge.",
		},
	},
	record.ReasonBirthKeyLocked: {
		Text{"生年月日の照合ができない", "Birth date cannot be checked"},
		Text{
			"カードの中の生年月日の照合は、残りの回数が少ないか使い切られているため、行いませんでした。" +
				"「暗証番号で確認」を使ってください。回数を戻せるのは市区町村の窓口だけです。",
			"Too few tries are left for the birth date in the card, so it was not tried. Use “Check with PIN”. " +
				"Only the city office can give the tries back.",
		},
	},
	record.ReasonPhone: {
		Text{"スマートフォン", "Phone"},
		Text{
			"スマートフォンの電子証明書は、ここでは使えません。マイナンバーカードを置いていただくようご案内ください。",
			"The certificate in a phone cannot be used here. Ask the person to place the My Number Card itself.",
		},
	},
	record.ReasonCardRenewed: {
		Text{"カードが新しくなった", "New card"},
		Text{
			"電子証明書が更新され、カードも新しくなっています。「初めての方の登録」で、暗証番号を使って一度登録し直してください。",
			"The certificate was renewed on a new card. Register the new card once with its PIN, under “First-time registration”.",
		},
	},
	record.ReasonBirthDiffers: {
		Text{"生年月日が合わない", "Birth date differs"},
		Text{
			"カードの生年月日と合いません。ご本人のカードか確かめ、「初めての方の登録」で登録し直してください。" +
				"カードを守るため、くり返し試さないでください。",
			"The birth date is not that of the card. Make sure that it is the person's own card and register again under " +
				"“First-time registration”. Do not keep trying: the card counts.",
		},
	},
	record.ReasonCardRefuses: {
		Text{"かざし利用ができないカード", "Card cannot tap without PIN"},
		Text{
			"このカードでは、暗証番号なしの確認ができません。「暗証番号で確認」を使ってください。",
			"This card cannot be checked without its PIN. Use “Check with PIN”.",
		},
	},
	record.ReasonListTooOld: {
		Text{"失効リストが期限超過", "List too old"},
		Text{
			"失効リストが古すぎて確認できません。紙など別の方法で受け付け、責任者に回線の確認を依頼してください。",
			"The revocation list is too old to decide by. Serve on paper or another way and have the line checked.",
		},
	},
	record.ReasonNoRule: {
		Text{"規則がない", "No rule"},
		Text{
			"このサービスの規則が装置に届いていません。受付せず、責任者に知らせてください。",
			"The box has no rule for this service. Do not serve by card; tell the person in charge.",
		},
	},
	record.ReasonUsedAlready: {
		Text{"利用済み", "Used already"},
		Text{
			"この方は、決められた期間のうちに、このサービスをすでに利用しています。利用は1回だけです。前回の時刻をお伝えして、ご説明ください。",
			"This person has used this service already within its set time, and it serves once. Explain, with the time of the first use.",
		},
	},
	record.ReasonRosterLocked: {
		Text{"名簿が開いていない", "Roster is locked"},
		Text{
			"装置の名簿が開いていないため、登録を調べられません。責任者に、装置の解錠を依頼してください。それまでは「暗証番号で確認」を使ってください。",
			"The roster of this box is locked, so nobody can be looked up. Have the person in charge unlock it; until then use “Check with PIN”.",
		},
	},
	record.ReasonNobodySignedIn: {
		Text{"担当者が未入力", "Nobody signed in"},
		Text{
			"このサービスでは、窓口の担当者の記録が必要です。職員コードを入力してから、もう一度カードを置いてください。",
			"This service needs to know who is at the desk. Sign in with your staff code, then have the card placed again.",
		},
	},
	record.ReasonListAbsent: {
		Text{"失効リストがない", "No list yet"},
		Text{
			"このカードを調べられる失効リストが装置にありません。紙など別の方法で受け付け、責任者に回線の確認を依頼してください。",
			"The box has no revocation list that it can check this card by. Serve on paper or another way and have the line checked.",
		},
	},
	record.ReasonRosterUnreadable: {
		Text{"名簿を読み取れない", "Roster cannot be read"},
		Text{
			"装置の名簿や台帳を読み取れないため、登録を調べられません。解錠しても直りません。「暗証番号で確認」を使い、責任者に知らせてください。",
			"The roster or book of this box cannot be read, so nobody can be looked up, and unlocking does not help. Use “Check with PIN” and tell the person in charge.",
		},
	},
	record.ReasonTapReplayed: {
		Text{"重複した記録", "Repeated record"},
		Text{
			"同じかざしがすでに処理されています。責任者に知らせてください。",
			"This very tap was handled before. Tell the person in charge.",
		},
	},
	record.ReasonStatusUnknown: {
		Text{"状態を確認できず", "Status unknown"},
		Text{
			"センターでも証明書の状態を確認できませんでした。責任者に知らせてください。",
			"Central could not find out the state of the certificate either. Tell the person in charge.",
		},
	},
	record.ReasonUnreadable: {
		Text{"記録を読めず", "Record unreadable"},
		Text{
			"センターで記録を読み取れませんでした。日時とコードを控え、責任者に知らせてください。",
			"Central could not read the record. Note time and code, and tell the person in charge.",
		},
	},
	record.ReasonNumberTaken: {
		Text{"番号はほかの方のもの", "Number is somebody else's"},
		Text{
			"この番号は、先にほかの方にひも付いています。番号を確かめてください。正しければ、その番号のひも付けを外してから、もう一度ひも付けます。",
			"The number was linked to somebody else before. Check it; if it is right, take the number back first, then link it again.",
		},
	},
	record.ReasonHoldLifted: {
		Text{"一時停止は解除済み", "Hold was lifted since"},
		Text{
			"かざした時点では一時停止中でしたので、不可のままです。その後、一時停止は解除されました。ご本人に、もう一度かざせることをお伝えください。",
			"The card was suspended at the time of this tap, so that the refusal stands. The suspension was lifted since. Tell the person that they may tap again.",
		},
	},
	record.ReasonLater: {
		Text{"センターで確定（理由は新しい版）", "Settled by a newer central"},
		Text{
			"センターが確定しましたが、理由はこの装置より新しい版のものです。理由はセンターの管理画面で確認してください。",
			"A newer central settled this for a reason that this box has no word for. Look at central's console for the reason.",
		},
	},
}
