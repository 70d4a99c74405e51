package catalog

import "kazashi.example/localapi"

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
	localapi.FailureDiskFull: {
		Text{"装置の空きがありません", "No room on the box"},
		Text{
			"記録を残す空きがないため、受付を止めています。カードには何もしていません。紙で受け付けて、責任者に知らせてください。",
			"There is no room left for a record, so no tap is taken; the card was asked for nothing. Serve on paper and tell the person in charge.",
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
	localapi.LineReplaced: {
		Text{"この装置は交換されました", "Box replaced by another one"},
		Text{
			"別の装置がこの装置の代わりになりました。ここに残る記録は有効ですが、新しい規則や名簿は届きません。新しい装置を使ってください。",
			"Another box took the place of this one. Records made here count, but it gets no new rules and rosters. Use the new box.",
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
