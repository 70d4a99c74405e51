package catalog

import (
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

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
			"このカードを調べる失効リストが装置にありません。センターで確認します。そのまま受付を続けてください。",
			"The box holds no revocation list for this card; central will check it. Carry on serving.",
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
			"この方は、決められた期間のうちに、このサービスをすでに利用しています。利用は1回だけです。画面の時刻を確かめてご説明ください。",
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
			"このサービスでは、窓口の担当者の名前が要ります。担当者コードを入力してから、もう一度カードを置いてください。",
			"This service needs to know who is at the desk. Sign in with your staff code, then have the card placed again.",
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
	record.ReasonLater: {
		Text{"センターで確定（理由は新しい版）", "Settled by a newer central"},
		Text{
			"センターが確定しましたが、理由はこの装置より新しい版のものです。理由はセンターの管理画面で確認してください。",
			"A newer central settled this for a reason that this box has no word for. Look at central's console for the reason.",
		},
	},
}

var failures = map[localapi.ReadFailure]Sentence{
	localapi.FailureNotMyNumber: {
		Text{"マイナンバーカードではありません", "Not a My Number Card"},
		Text{"マイナンバーカードを置いてください。重ねたカードは外してください。", "Please use your My Number Card, and take other cards away from it."},
	},
	localapi.FailureTorn: {
		Text{"カードが離れました", "Card moved away"},
		Text{"もう一度カードを置き、結果が出るまでそのままお待ちください。", "Please place the card again and leave it until a result shows."},
	},
	localapi.FailureNonsense: {
		Text{"カードを読めません", "Card cannot be read"},
		Text{
			"カードの応答が正しくありません。一度外して、もう一度置いてください。続くときは別の方法で受け付けてください。",
			"The card gave an answer that makes no sense. Take it off and place it again; if that does not help, serve another way.",
		},
	},
	localapi.FailurePINProtected: {
		Text{"暗証番号が必要なカードです", "This card needs its PIN"},
		Text{
			"このカードやスマートフォンの証明書は、暗証番号なしでは読めません。スマートフォンはここではまだ登録できません。お返しし、別の方法で受け付けてください。",
			"The certificate in this card or phone cannot be read without the PIN. Phones cannot be registered here yet. Give it back and serve another way.",
		},
	},
	localapi.FailureReaderGone: {
		Text{"カードリーダーがありません", "No card reader"},
		Text{"カードリーダーのケーブルを差し直してください。", "Plug the card reader's cable in again."},
	},
	localapi.FailureNoPCSC: {
		Text{"カードリーダーを使えません", "Reader service stopped"},
		Text{
			"カードリーダーのサービスが動いていません。装置を再起動し、直らなければ責任者に知らせてください。",
			"The card reader service (pcscd) does not answer. Restart the box; if that does not help, tell the person in charge.",
		},
	},
	localapi.FailureJournal: {
		Text{"記録できません。受付しないでください", "Not recorded. Do not serve"},
		Text{
			"このかざしは記録されていません。カードをお返しし、紙で受け付けて、責任者に知らせてください。",
			"This tap was not recorded. Give the card back, serve on paper and tell the person in charge.",
		},
	},
	localapi.FailureNoCert: {
		Text{"電子証明書がありません", "No certificate in the card"},
		Text{
			"このカードには利用者証明用電子証明書が入っていません。市区町村の窓口で発行できることをご案内し、別の方法で受け付けてください。",
			"The card holds no certificate for user authentication. The city office can issue one; serve another way today.",
		},
	},
	localapi.FailureMute: {
		Text{"カードが応答しません", "The card does not answer"},
		Text{
			"ほかのカードやケースなどを取り除き、マイナンバーカードだけを置き直してください。",
			"Take away other cards, cases and the like, and place the My Number Card alone.",
		},
	},
	localapi.FailurePINWrong: {
		Text{"暗証番号が違います", "Wrong PIN"},
		Text{
			"数字4桁の暗証番号を確かめて、入力し直してください。確かでないときは続けて試さず、別の方法で受け付けてください。",
			"Make sure of the PIN of four digits and type it in again. If you are not sure, do not go on trying; serve another way.",
		},
	},
	localapi.FailurePINSame: {
		Text{"先ほどと同じ暗証番号です", "Same wrong PIN again"},
		Text{
			"違っていた番号と同じなので、カードに送りませんでした。回数は減っていません。別の番号に心当たりがなければ、別の方法で受け付けてください。",
			"It is the PIN that was wrong before, so it was not sent to the card and no try was lost. If no other PIN comes to mind, serve another way.",
		},
	},
	localapi.FailurePINFew: {
		Text{"残りの回数がわずかです", "Few tries left"},
		Text{
			"カードを守るため、暗証番号を送りませんでした。回数は減っていません。市区町村の窓口で再設定できることをご案内し、別の方法で受け付けてください。",
			"To protect the card, the PIN was not sent and no try was lost. The city office can set a new PIN; serve another way today.",
		},
	},
	localapi.FailurePINBlocked: {
		Text{"暗証番号がロックされています", "PIN is blocked"},
		Text{
			"間違いが続いたため、暗証番号が使えません。戻せるのは市区町村の窓口だけです。そのことをご案内し、別の方法で受け付けてください。",
			"The PIN was blocked by wrong entries. Only the city office can reset it: say so, and serve another way today.",
		},
	},
	localapi.FailureNoPINs: {
		Text{"暗証番号を使えないカードです", "Card without usable PINs"},
		Text{
			"暗証番号の設定がない「顔認証マイナンバーカード」か、暗証番号がすべてロックされたカードです。登録も暗証番号での確認もできません。" +
				"故障ではありません。別の方法で受け付けてください。",
			"The card was issued without PINs (a “face authentication” My Number Card), or all its PINs are blocked. Neither registration nor a check with the PIN " +
				"is possible. Nothing is broken; serve another way.",
		},
	},
	localapi.FailureBirthDate: {
		Text{"生年月日が合いません", "Birth date not taken"},
		Text{
			"入力された生年月日か元号が、カードの生年月日と合いません。カードの表を見て西暦に直し、確かめてから入力し直してください。",
			"The birth date or its era is not that of the card. Look at the face of the card, turn the year into a western one, and type it in again.",
		},
	},
	localapi.FailureBirthEra: {
		Text{"元号を選んでください", "Choose the era"},
		Text{
			"カードの生年月日は月か日が不明で、その年には元号が二つあります。回数は減っていません。" +
				"「初めての方の登録」で元号を選び、もう一度カードを置いてください。",
			"The card's birth date has an unknown month or day in a year with two eras. No try was lost. " +
				"Choose the era under “First-time registration” and lay the card again.",
		},
	},
	localapi.FailureExchanged: {
		Text{"カードが入れ替わりました", "Another card was laid"},
		Text{
			"先に置いたカードが、別のカードに替わりました。暗証番号は今あるカードに送らず、消しました。カードを外し、必要なら入力からやり直してください。",
			"Another card took the place of the one that was laid first. No PIN was sent to it; a PIN that was typed in is wiped. " +
				"Lift the card, and type in again if need be.",
		},
	},
	localapi.FailureBirthDoubt: {
		Text{"生年月日を確かめてください", "Check the birth date"},
		Text{
			"入力された生年月日が、証明書の有効期限（ふつうは誕生日）と合いません。暗証番号も生年月日もカードに送らず、回数は減っていません。" +
				"カードの表を見て「初めての方の登録」で入力し直し、正しいときは確認の欄に印を付けてください。",
			"The birth date does not fit the certificate, which as a rule ends on a birthday. Neither PIN nor birth date was sent to the card, and no try was lost. " +
				"Look at the face of the card and type in again under “First-time registration”; if the date is right, confirm it there.",
		},
	},
	localapi.FailureBusy: {
		Text{"お待ちください", "Please wait"},
		Text{
			"ほかのカードを処理しています。カードを一枚だけにして、もう一度置いてください。",
			"Another card is being handled. Leave one card only and place it again.",
		},
	},
}

var troubles = map[localapi.LineTrouble]Sentence{
	localapi.LineRevoked: {
		Text{"この装置は登録を外されています", "Box taken out of service"},
		Text{
			"センターがこの装置の登録を外しました。記録は装置に残りますが、確定しません。責任者に知らせてください。",
			"Central has taken this box out of service. Records stay on it and are not settled. Tell the person in charge.",
		},
	},
	localapi.LineUnknown: {
		Text{"この装置は登録されていません", "Box not known at central"},
		Text{
			"センターにこの装置の登録がありません。記録は装置に残りますが、確定しません。責任者に知らせてください。",
			"Central does not know this box. Records stay on it and are not settled. Tell the person in charge.",
		},
	},
	localapi.LineUnavailable: {
		Text{"センターが準備中です", "Central is not ready"},
		Text{
			"センターに届きましたが、今は処理できません。受付はそのまま続けてください。記録は自動で送られます。",
			"Central was reached but cannot work just now. Carry on serving; records are sent by themselves later.",
		},
	},
	localapi.LineRefused: {
		Text{"センターに拒否されました", "Central refuses the box"},
		Text{
			"センターがこの装置からの通信を受け付けません。記録は装置に残ります。責任者に知らせてください。",
			"Central does not take what this box sends. Records stay on it. Tell the person in charge.",
		},
	},
	localapi.LineIntercepted: {
		Text{"回線の途中に問題があります", "Line is intercepted"},
		Text{
			"途中の機器が通信を開こうとするため、センターに送りません。記録は装置に残ります。責任者に知らせてください。",
			"Something on the way tries to open the connection, so nothing is sent. Records stay on the box. Tell the person in charge.",
		},
	},
}
