package catalog

import "kazashi.example/localapi"

var apiErrors = map[localapi.ErrorCode]Text{
	localapi.CodeWrongHost: {
		"この名前では接続できません。装置自身のアドレスか、設定ファイルの counter.hosts に書いた名前で開いてください。",
		"This name does not lead here. Open the box by its own address, or add the name to counter.hosts in the configuration.",
	},
	localapi.CodeForeignOrigin: {
		"別のサイトからの要求は受け付けません。窓口画面を直接開いてください。",
		"Requests from another site are refused. Open the counter page itself.",
	},
	localapi.CodeMethod: {
		"この操作はできません。ここで使えるのは Allow ヘッダーにあるメソッドだけです。",
		"This method is not allowed here; the Allow header lists those that are.",
	},
	localapi.CodeNotFound: {
		"そのページはありません。窓口画面は / です。",
		"There is no such page. The counter page is /.",
	},
	localapi.CodeUnknownParameter: {
		"知らないパラメーターがあります。取り除いてください。",
		"The request has a parameter that does not exist here, or has one twice. Remove it.",
	},
	localapi.CodeBadParameter: {
		"パラメーターの値が正しくありません。limit は 1 から 500、lang は ja か en です。",
		"A parameter has a value that is not allowed: limit is 1 to 500, lang is ja or en.",
	},
	localapi.CodeTooManyStreams: {
		"開いている画面が多すぎます。使っていない窓口画面を閉じてください。",
		"Too many pages are listening. Close counter pages that nobody uses.",
	},
	localapi.CodeBoxFailed: {
		"装置が応答できませんでした。記録は残っています。続くときは責任者に知らせてください。",
		"The box could not answer. Its records are kept. If it happens again, tell the person in charge.",
	},
	localapi.CodeMediaType: {
		"本文の形式が違います。Content-Type は application/json としてください。",
		"The body is of the wrong type. Send it as Content-Type application/json.",
	},
	localapi.CodeBodyTooLarge: {
		"本文が大きすぎます。1 KiB まで（取り込むファイルは 32 MiB まで）です。",
		"The body is too large. At most 1 KiB is read, of a file of links 32 MiB.",
	},
	localapi.CodeBadBody: {
		"本文を読めません。項目名の誤りや重複がないか確かめてください。",
		"The body cannot be read. Look for a field that does not exist here, stands twice or has a value of the wrong kind.",
	},
	localapi.CodeNextForm: {
		"入力が足りないか、桁数が違います。暗証番号は数字4桁、生年月日は西暦の8桁です。",
		"Something is missing or has the wrong number of digits: four for a PIN, eight with the western year for a birth date.",
	},
	localapi.CodeNextBusy: {
		"ほかの登録や確認がカードを待っています。終わるのを待つか、中止してから、もう一度入力してください。",
		"Another registration or check waits for its card. Let it end or cancel it, then type in again.",
	},
	localapi.CodeNextReader: {
		"そのカードリーダーはつながっていません。リーダーを選び直してから、もう一度入力してください。",
		"That card reader is not connected. Choose a reader again, then type in again.",
	},
	localapi.CodeNextUnready: {
		"今はカードを読めません。画面の案内に沿って装置を直してから、もう一度入力してください。",
		"No card can be read now. Do what the page says about the box, then type in again.",
	},
	localapi.CodeNextNotServed: {
		"このサービスでは使えない手続きです。責任者に規則の確認を依頼してください。",
		"The service of this desk does not take this. Ask the person in charge to check the rule.",
	},
	localapi.CodeLocked: {
		"名簿が施錠されています。責任者の解錠コードを入力するか、回線の復旧を待ってください。暗証番号による確認と受付の記録は続けられます。",
		"The roster is locked. Have the operator's code typed in, or wait for the line. Checks with the PIN and recording go on.",
	},
	localapi.CodeDeskForm: {
		"入力が足りないか、長すぎます。職員コードは6文字以上64文字以下です。",
		"Something is missing or too long. A staff code has 6 to 64 characters.",
	},
	localapi.CodeCode: {
		"この職員コードは登録されていません。入力し直してください。",
		"Nobody here has this code. Type it in again.",
	},
	localapi.CodeWait: {
		"コードの誤りが続いたため、しばらく入力できません。待ってから、もう一度入力してください。",
		"Too many wrong codes. Wait, then type it in again.",
	},
	localapi.CodeNobody: {
		"この操作には職員のサインインが必要です。先に職員コードを入力してください。",
		"Somebody has to sign in for this. Type in a staff code first.",
	},
	localapi.CodeNoStaff: {
		"この拠点には職員がまだ登録されていないため、誰もサインインできません。装置の管理者に、職員の登録を依頼してください。",
		"No member of staff is entered at this site yet, so nobody can sign in. Ask the administrator of the box to enter staff.",
	},
	localapi.CodeUnknown: {
		"該当する記録、番号、職員がこの拠点にありません。",
		"There is no such record, number or member of staff at this site.",
	},
	localapi.CodeTaken: {
		"その番号、名前またはコードは、ほかの人が使っています。",
		"That number, id or code belongs to somebody else.",
	},
	localapi.CodeKeyCode: {
		"解錠コードが違います。残りの回数を確かめて、入力し直してください。",
		"The operator's code is wrong. See how many tries are left, then type it in again.",
	},
	localapi.CodeKeyWait: {
		"解錠コードの誤りが続いたため、しばらく入力できません。表示された時間が過ぎてから入力してください。",
		"Too many wrong operator's codes. Wait as long as is said, then type it in again.",
	},
	localapi.CodeKeyForm: {
		"解錠コードは6文字以上128文字以下です。TPMのない装置では12文字以上が必要です。",
		"An operator's code has 6 to 128 characters; on a box without a TPM at least 12.",
	},
	localapi.CodeKeyOld: {
		"現在の解錠コードも入力してください。忘れたときは、センターまたは同じ拠点の装置から解錠した後に変更できます。",
		"Type in the code in force as well. If it was forgotten, have central or another box of the site open the keys first.",
	},
	localapi.CodeKeyRule: {
		"コードなしで解錠する規則がありません。新しい解錠コードを設定してください。",
		"No rule lets the keys open without a code. Set an operator's code.",
	},
	localapi.CodeNoKeys: {
		"この装置には拠点の鍵がまだありません。回線の接続を待つか、解錠コードを設定してください。",
		"This box has no site keys yet. Wait for the line, or set an operator's code.",
	},
	localapi.CodeNoCode: {
		"先に解錠コードを設定してください。",
		"Set an operator's code first.",
	},
	localapi.CodeWiped: {
		"この拠点の鍵はこの装置で消去済みのため、戻せません。センターで新しい鍵を作ってください。",
		"These site keys were erased on this box and never come back. Have central make a new one.",
	},
	localapi.CodeMember: {
		"その装置は、センターが認めたこの拠点の装置ではありません。",
		"That box is no box of this site, as central last named them.",
	},
	localapi.CodeAnswer: {
		"この応答は、この装置の最後の要求に対するものではありません。要求を作り直してください。",
		"That answer is not to the request that this box made last. Make a new request.",
	},
	localapi.CodeSwap: {
		"暗号化されていないスワップがあるため、鍵を開けません。スワップを止めるか暗号化してください。",
		"Memory may be written to an unencrypted disk, so the keys stay closed. Switch that swap off or encrypt it.",
	},
	localapi.CodeTPM: {
		"この装置のTPMが応答しないか、初期化または交換されています。担当者に連絡してください。",
		"The TPM of this box does not answer, was cleared, or is another one. Call whoever looks after the box.",
	},
	localapi.CodeUnsafe: {
		"センターの控えに入っていない記録があるため、拠点を閉じられません。送信と控えの完了を待ってください。",
		"Records are not safe at central yet, so the site is not closed. Let them be sent and backed up first.",
	},
	localapi.CodeClosing: {
		"終わっていない閉鎖処理があります。装置を起動し直すと続きが行われます。",
		"A closing is not finished. Start the box again to finish it.",
	},
	localapi.CodeSocketOnly: {
		"この変更は、この装置の管理コマンドからだけ行えます。",
		"Only the box's own command line may change this, over its socket.",
	},
	localapi.CodeFileForm: {
		"このファイルは信頼設定または規則のファイルではないか、壊れています。センターで書き出し直してください。",
		"The file is no trust bundle or rules, as was asked for, or it is damaged. Export it at central again.",
	},
	localapi.CodeRoot: {
		"この信頼設定の根の鍵は、この装置が信頼している鍵に続くものではありません。取り込みません。",
		"The bundle's root keys do not follow from those that this box believes. It is not taken.",
	},
	localapi.CodeThreshold: {
		"この信頼設定には、必要な人数の署名がありません。取り込みません。",
		"Too few holders of root keys signed the bundle. It is not taken.",
	},
	localapi.CodeSigner: {
		"この規則は、署名を認められていない鍵で署名されています。先に新しい信頼設定を取り込んでください。",
		"The rules are signed by a key that may not sign rules here. Load a newer trust bundle first, if there is one.",
	},
	localapi.CodeSignature: {
		"署名を確認できません。壊れているか、別の用途の署名です。取り込みません。",
		"A signature does not verify: the file is damaged, or it was signed for another purpose. It is not taken.",
	},
	localapi.CodeRollback: {
		"この信頼設定は、この装置で使ったものより古いため取り込めません。",
		"The bundle is older than one that was in force here. It is not taken.",
	},
	localapi.CodeOlder: {
		"このファイルは、この装置にあるものより新しくありません。",
		"The file is not newer than what this box holds.",
	},
	localapi.CodeExpired: {
		"この信頼設定は期限が切れています。センターで新しいものを作成してください。",
		"The bundle has expired. Have a new one made at central.",
	},
	localapi.CodeOtherSite: {
		"この規則は別の拠点のものです。この拠点の規則を書き出してください。",
		"The rules are another site's. Export those of this site.",
	},
	localapi.CodeBasis: {
		"法的根拠と矛盾する規則が含まれているため、取り込めません。",
		"A rule contradicts its legal basis. Nothing of the file is taken.",
	},
	localapi.CodeApproval: {
		"必要な法的な承認が信頼設定にない規則が含まれています。先に承認を含む信頼設定を取り込んでください。",
		"A rule needs a legal approval that the trust bundle does not carry. Load a bundle that carries it first.",
	},
	localapi.CodeNoPrevious: {
		"戻せる以前の信頼設定がありません。",
		"No usable trust bundle from before is kept here.",
	},
	localapi.CodeReverted: {
		"すでに以前の信頼設定に戻っています。先へ進むには、より新しいものが必要です。",
		"The box is back at the trust bundle before already. Only a newer one leads on.",
	},
	localapi.CodeRootReplaced: {
		"以前の信頼設定は、すでに交代した根の鍵で署名されているため、戻せません。",
		"The trust bundle before was signed by root keys that have been replaced since. The box does not go back to them.",
	},
	localapi.CodeCourierForm: {
		"USBメモリーを一つだけ指定してください。",
		"Name one stick, or one folder by its whole path; not both.",
	},
	localapi.CodeCourierBusy: {
		"ほかの書き出しか取り込みが終わっていません。終わるのを待って、もう一度行ってください。",
		"Something else is being written or taken in. Wait until it has ended, then begin again.",
	},
	localapi.CodeNoStick: {
		"そのUSBメモリーが見つかりません。差し直して、一覧に出てから選んでください。",
		"That stick is not there. Plug it in again, and choose it once it is listed.",
	},
	localapi.CodeNotMounted: {
		"ここにはUSBメモリーがつながっていません。差し直しても変わらないときは、装置の管理者に知らせてください。",
		"No stick is mounted there; the folder lies on the box's own disk. Plug the stick in again, or call the administrator of the box.",
	},
	localapi.CodeStickName: {
		"USBメモリーの名前に表示できない文字があるため、使えません。パソコンで名前を変えてください。",
		"The stick's name has characters that cannot be shown. Give it another name on a PC.",
	},
	localapi.CodeNotStick: {
		"このUSBメモリーには、かざしのファイルがありません。センターで書き込んだUSBメモリーか確かめてください。",
		"Nothing of kazashi's is on this stick. Is it the one that came back from central?",
	},
	localapi.CodeNothing: {
		"このUSBメモリーには、この装置あてのファイルがありません。センターで、この装置の分を書き込んでもらってください。",
		"Nothing on this stick is for this box. Have central write this box's files onto it.",
	},
	localapi.CodeHalf: {
		"途中までしかコピーされていないファイルです。コピーし直すか、書き込み直してください。",
		"The file was copied by half. Copy it again, or have it written again.",
	},
	localapi.CodeParcel: {
		"ファイルが壊れています。別のUSBメモリーに書き込み直してください。",
		"The file is damaged. Have it written again, onto another stick.",
	},
	localapi.CodeOtherBox: {
		"別の装置のファイルです。その装置で取り込んでください。",
		"The file is another box's. Take it in there.",
	},
	localapi.CodeParcelSigner: {
		"この装置のセンターが署名したファイルではありません。取り込みません。",
		"The file is not signed by this box's central. It is not taken.",
	},
	localapi.CodeNewerRelease: {
		"この装置のソフトウェアより新しい形式のファイルです。装置のソフトウェアを更新してください。",
		"The file was written by a newer release. Update the software of this box first.",
	},
	localapi.CodeCrowded: {
		"USBメモリーのフォルダーにファイルが多すぎます。KAZASHI フォルダーに、かざし以外のファイルを入れないでください。",
		"There are too many files in a folder of the stick. Keep other files out of its folder KAZASHI.",
	},
	localapi.CodeStickReadOnly: {
		"USBメモリーに書き込めません。書き込み防止のつまみを確かめるか、別のUSBメモリーを使ってください。",
		"The stick takes no writing. Look for its lock switch, or use another.",
	},
	localapi.CodeStickDenied: {
		"装置にUSBメモリーを使う権限がありません。装置の管理者に知らせてください。",
		"The box may not read or write there. Call its administrator: the stick has to be mounted for the box's user.",
	},
	localapi.CodeStickFull: {
		"USBメモリーがいっぱいです。書き込めた分はそのまま使えます。残りは別のUSBメモリーに書き出してください。",
		"The stick is full. What was written is whole and can be used; write the rest onto another.",
	},
	localapi.CodeStickGone: {
		"途中でUSBメモリーが抜かれたか、応答しません。記録は装置に残っています。差し直して、もう一度行ってください。",
		"The stick was pulled or does not answer. The records are still on the box: plug it in again and repeat.",
	},
	localapi.CodeCourierStopped: {
		"装置が途中で止まりました。記録は装置に残っています。もう一度行ってください。",
		"The box stopped in the middle. The records are still on it: begin again.",
	},
}
