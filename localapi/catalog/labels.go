package catalog

import "maps"

// labels of the counter page, by the names that its template and scripts use.
var labels = func() map[string]Text {
	all := maps.Clone(tapLabels)
	maps.Copy(all, deskLabels)
	maps.Copy(all, courierLabels)
	return all
}()

// tapLabels are those of taps and of the state of the box.
var tapLabels = map[string]Text{
	"title":        {"かざし 窓口", "Kazashi counter"},
	"skip":         {"結果へ移動", "Skip to the result"},
	"other_lang":   {"English", "日本語"},
	"no_script":    {"この画面には JavaScript が必要です。", "This page needs JavaScript."},
	"practice":     {"練習用", "PRACTICE"},
	"practice_say": {"本物の受付ではありません", "not real"},

	"lost":     {"装置とつながっていません", "Not connected to the box"},
	"lost_say": {"表示は最新ではありません。自動で接続し直しています。", "What you see is not up to date. Connecting again by itself."},

	"idle":        {"カードを置いてください", "Place a card"},
	"todo":        {"登録が必要です", "Registration needed"},
	"todo_say":    {"まだ受付していません。下の「手続き」に進んでください。", "Not accepted yet. Go on under “Procedures” below."},
	"idle_say":    {"マイナンバーカードをリーダーに置いてください。", "Please place your My Number Card on the reader."},
	"idle_lying":  {"置いたままのカードは、一度外して置き直してください。", "A card that lies there already: take it off and place it again."},
	"left":        {"カードが置いたままです", "Card left on the reader"},
	"left_say":    {"カードをお取りください。", "Please take your card."},
	"present":     {"カードがあります", "Card on the reader"},
	"reading":     {"読み取り中", "Reading"},
	"reading_say": {"カードを動かさずにお待ちください。", "Please leave the card where it is."},
	"loading":     {"準備中", "Getting ready"},
	"loading_say": {"装置の状態を読み込んでいます。", "Asking the box how it is."},

	"result": {"結果", "Result"},
	"code":   {"受付コード", "Tap code"},
	"ppid":   {"利用者番号（PPID）", "User number (PPID)"},
	"rests":  {"根拠", "Rests on"},

	"basis_art38-4":         {"かざし利用（法第38条の4）", "tap without PIN (JPKI Act Art. 38-4)"},
	"basis_pin":             {"暗証番号による確認", "check with the PIN"},
	"basis_disaster_intake": {"避難所の受付", "shelter reception"},
	"basis_drill":           {"練習", "practice"},
	"evidence_none":         {"確認なし", "nothing proved"},
	"evidence_certificate":  {"証明書を確認", "certificate checked"},
	"evidence_card-bound":   {"登録済みのカードを確認", "registered card checked"},
	"evidence_card":         {"カードの真正性を確認", "card proved genuine"},
	"evidence_pin":          {"暗証番号を確認", "PIN checked"},

	"pin_auth":         {"利用者証明用の暗証番号", "PIN for user authentication"},
	"pin_input_assist": {"券面事項入力補助用の暗証番号", "PIN for card information input"},
	"tries_left": {
		"あと{n}回まちがえると使えなくなり、戻せるのは市区町村の窓口だけです。",
		"Wrong entries left before it is blocked: {n}. Only the city office can reset it then.",
	},

	"typing":     {"先に入力してください", "Type in first"},
	"typing_say": {"下の欄に入力してから、カードを置いてください。", "Fill in the fields below, then place the card."},

	"next":           {"手続き", "Procedures"},
	"next_enrol":     {"初めての方の登録", "First-time registration"},
	"next_pin":       {"暗証番号で確認", "Check with PIN"},
	"next_enrol_say": {"登録します。結果が出るまで、カードを動かさないでください。", "To register, place the card and leave it until a result shows."},
	"next_pin_say":   {"暗証番号で確認します。結果が出るまで、カードを動かさないでください。", "To check with the PIN, place the card and leave it until a result shows."},
	"next_left":      {"残り {n} 秒", "{n} s left"},
	"next_wait":      {"カードを待っています", "Waiting for the card"},
	"next_wait_say": {
		"リーダーに置いてください。すでに置いてあるカードは、一度外して置き直してください。時間が過ぎると、入力した内容を消して、ふだんのかざしに戻ります。",
		"Place it on the reader. A card that lies there already: lift it and lay it again. When the time is over, what was typed in is wiped and the next card is an ordinary tap.",
	},
	"next_cancelled": {"中止しました。入力した内容は消しました。", "Cancelled. What was typed in was wiped."},
	"next_over":      {"カードを待つのをやめました。入力した内容は消しました。", "No longer waiting for a card. What was typed in was wiped."},
	"next_idle":      {"入力がないため閉じました。入力した内容は消しました。", "Closed, since nothing was typed in. What was typed in before was wiped."},
	"next_late":      {"カードを読み取っているため、中止できません。結果をお待ちください。", "Too late to cancel: the card is being read. Wait for the result."},
	"next_failed": {
		"装置はカードを待っていません。もう一度入力してください。",
		"The box is not waiting for a card. Type in again.",
	},
	"next_unsure": {
		"装置から返事がありません。届いていれば、装置は長くて1分カードを待ち、その後に入力した内容を消します。",
		"No answer from the box. If it was reached, it waits for a card for a minute at most, and then wipes what was typed in.",
	},
	"next_lost": {
		"装置とつながらないため閉じました。この画面に入力した内容は消しました。",
		"Closed, since the box does not answer. What was typed in here was wiped.",
	},
	"next_lift": {"カードを外してください", "Lift the card first"},
	"next_lift_say": {
		"すでに置いてあるカードには、暗証番号を送りません。一度外し、ご本人のカードを置き直してください。",
		"No PIN is sent to a card that lies there already. Lift it, then lay the person's own card.",
	},
	"next_self": {"暗証番号は、ご本人が入力してください。職員は見たり聞いたりしません。", "The person types in the PIN. Staff neither look at it nor ask for it."},

	"consent": {"カードからの読み取り", "Reading from the card"},
	"consent_say": {
		"個人番号（マイナンバー）は読み取りません。同意しなくても登録できます。",
		"The Individual Number (My Number) is not read. You can register without agreeing.",
	},
	"attribute_name":       {"氏名", "name"},
	"attribute_address":    {"住所", "address"},
	"attribute_birth_date": {"生年月日", "birth date"},
	"attribute_sex":        {"性別", "sex"},
	"consent_yes":          {"同意して、読み取る", "I agree to this being read"},
	"consent_no":           {"同意しない（生年月日だけ入力する）", "I do not agree (type in the birth date only)"},
	"same": {
		"利用者証明用と券面事項入力補助用の暗証番号は、同じですか。",
		"Is the PIN for user authentication also the PIN for card information input?",
	},
	"same_say": {
		"多くの場合、カードを受け取るときに同じ番号に設定しています。次世代カード（暗証番号は一つ）では「同じ」を、" +
			"分からないときは「同意しない」を選んでください。",
		"Many people set one number for both when they got the card. A next-generation card has one PIN only: choose the same. " +
			"If you do not know, choose not to agree above.",
	},
	"same_yes": {"同じ", "The same"},
	"same_no":  {"違う", "Different"},
	"reader":   {"カードを置くリーダー", "Reader for the card"},
	"reader_say": {
		"カードリーダーが2台以上あります。ご本人がカードを置くリーダーを選んでください。ほかのリーダーのカードには、暗証番号を送りません。",
		"There is more than one card reader. Choose the one on which the person lays the card; no PIN is sent to a card on another.",
	},
	"four":      {"数字4桁", "4 digits"},
	"birth":     {"生年月日（西暦8桁）", "Birth date (8 digits, western year)"},
	"birth_say": {"カードの表の生年月日を、西暦で続けて入力します。例：1980年2月17日は 19800217。月や日が不明なら 00。", "As on the face of the card, with the western year. For example 19800217 for 17 February 1980. 00 for an unknown month or day."},
	"birth_era": {"西暦にするには：明治＋1867、大正＋1911、昭和＋1925、平成＋1988、令和＋2018", "To get the western year, add: Meiji 1867, Taisho 1911, Showa 1925, Heisei 1988, Reiwa 2018"},
	"birth_part": {
		"{t}年（月日の一部が不明）",
		"{t} (month or day unknown)",
	},
	"birth_sure": {
		"カードの表をもう一度見ました。生年月日は正しいです。",
		"I have looked at the face of the card again: the birth date is right.",
	},
	"birth_sure_say": {
		"先ほどの生年月日は、証明書の有効期限（ふつうは誕生日）と合いませんでした。まちがいなら直し、正しいときだけ印を付けてください。在留期間などで、期限が誕生日でない方もいます。",
		"The birth date did not fit the certificate, which as a rule ends on a birthday. Correct it, or tick this only if it is right: " +
			"some certificates end earlier, with a permit of residence for example.",
	},
	"era": {"元号", "Era"},
	"era_say": {
		"生まれた月か日が不明で、その年に元号が変わっています。カードの表にある元号を選んでください。",
		"The month or day of birth is not known, and the era changed in that year. Choose the era that stands on the face of the card.",
	},
	"era_meiji":  {"明治", "Meiji"},
	"era_taisho": {"大正", "Taisho"},
	"era_showa":  {"昭和", "Showa"},
	"era_heisei": {"平成", "Heisei"},
	"era_reiwa":  {"令和", "Reiwa"},

	"go":     {"次へ：カードを置く", "Next: place the card"},
	"cancel": {"中止する", "Cancel"},

	"need_consent": {"読み取りに同意するかどうかを選んでください。", "Choose whether you agree to the reading."},
	"need_same":    {"二つの暗証番号が同じかどうかを選んでください。", "Choose whether the two PINs are the same."},
	"need_pin":     {"利用者証明用の暗証番号を、数字4桁で入力してください。", "Type in the PIN for user authentication: 4 digits."},
	"need_input":   {"券面事項入力補助用の暗証番号を、数字4桁で入力してください。", "Type in the PIN for card information input: 4 digits."},
	"need_reader":  {"カードを置くリーダーを選んでください。", "Choose the reader for the card."},
	"need_era":     {"生年月日の元号を選んでください。", "Choose the era of the birth date."},
	"need_birth":   {"生年月日を、西暦から始まる8桁の数字で正しく入力してください。", "Type in a birth date that exists: 8 digits, beginning with the western year."},

	"enrolled":     {"登録できました", "Registered"},
	"enrolled_now": {"仮登録しました", "Registered for now"},
	"bound":        {"次回からは、暗証番号なしで、かざすだけで受け付けできます。", "From the next visit on, a tap without the PIN is enough."},
	"unbound": {
		"かざすだけで受け付ける登録は、できませんでした。次回も暗証番号が必要です。",
		"Taps without the PIN could not be set up. The PIN is needed next time, too.",
	},
	"each_time": {
		"このサービスは毎回、暗証番号で確認します。かざすだけで受け付ける登録はしていません。",
		"This service asks for the PIN each time. Nothing was set up for taps without it.",
	},
	"no_birth": {"入力した生年月日は使わず、残していません。", "The birth date that was typed in was not used and is not kept."},
	"enrol_void": {
		"登録は無効になりました。かざすだけでの受付はできません。",
		"The registration is void: taps without the PIN are not taken.",
	},
	"attested": {"同意いただいた項目を読み取りました。この画面には表示しません。", "What you agreed to was read. It is not shown here."},

	"restored":     {"再起動後の表示", "Shown after a restart"},
	"restored_say": {"装置が再起動しました。これは再起動の前に記録された結果です。", "The box restarted. This result was recorded before it did."},

	"corrections": {"訂正のお知らせ", "Corrections"},
	"corrected":   {"訂正", "Corrected"},
	"correct_stop": {
		"受付を取り消してください。登録や番号のひも付けだった場合は、それも無効です。",
		"Take back what was served. If it was a registration or the linking of a number, that is void, too.",
	},
	"correct_not_enrolled": {
		"センターには、このカードの有効な登録がありません。「初めての方の登録」で登録し直してください。",
		"Central holds no registration in force for this card. Register anew under “First-time registration”.",
	},
	"correct_stop_once": {
		"受付の取り消しがまだの場合は、取り消してください。取り消し済みなら不要です。登録や番号のひも付けは無効のままです。",
		"If what was served was not taken back yet, take it back; if it was, there is no more to do. A registration or the linking of a number stays void.",
	},
	"correct_again": {"改めてかざせます。", "This person may tap again."},
	"correct_serve": {"受付できる方でした。改めてご案内ください。", "This person could have been served. Please follow up."},
	"dismiss":       {"確認しました", "Noted"},

	"state":          {"装置の状態", "State of the box"},
	"line":           {"回線", "Line"},
	"online":         {"オンライン", "On-line"},
	"offline":        {"オフライン", "Off-line"},
	"stopped":        {"停止中", "Stopped"},
	"since":          {"{t} から", "since {t}"},
	"heard":          {"最後の応答 {t}", "last answer {t}"},
	"list":           {"失効リスト", "Revocation list"},
	"list_number":    {"第 {n} 号", "No. {n}"},
	"list_of":        {"{t} 時点", "As of {t}"},
	"list_none":      {"なし", "none"},
	"list_age":       {"{t} 経過", "{t} old"},
	"list_age_least": {"少なくとも {t} 経過", "at least {t} old"},
	"clock":          {"時計", "Clock"},
	"clock_none":     {"合っているか不明", "May be wrong"},
	"clock_floor":    {"センターと未照合", "Not compared with central"},
	"clock_checked":  {"センターと照合済み", "Compared with central"},
	"waiting":        {"未送信の記録", "Records waiting"},
	"waiting_count":  {"{n} 件", "{n}"},
	"readers":        {"カードリーダー", "Card reader"},
	"readers_count":  {"{n} 台", "{n}"},
	"readers_none":   {"見つかりません", "Not found"},
	"roster":         {"かざし利用の登録者", "Registered for taps"},
	"roster_count":   {"{n} 人", "{n}"},
	"roster_none":    {"センターの名簿は未着", "No list from central yet"},
	"desk":           {"窓口", "Desk"},
	"service":        {"サービス", "Service"},
	"software":       {"ソフトウェア", "Software"},
	"unit_second":    {"{n} 秒", "{n} s"},
	"unit_minute":    {"{n} 分", "{n} min"},
	"unit_hour":      {"{n} 時間", "{n} h"},
	"unit_day":       {"{n} 日", "{n} d"},
	"taps":           {"最近のかざし", "Latest taps"},
	"taps_say": {
		"受付コードは、電話などで一件を言い表すためのものです。個人の番号ではありません。時刻は日本時間です。",
		"The tap code names one tap, for example on the telephone. It is not a number of the person. Times are Japan's.",
	},
	"taps_none":      {"まだありません。", "None yet."},
	"col_time":       {"時刻", "Time"},
	"col_first":      {"窓口での結果", "At the counter"},
	"col_final":      {"確定した結果", "Final"},
	"col_state":      {"状態", "State"},
	"state_waiting":  {"送信待ち", "Waiting"},
	"state_received": {"センター受領", "Received"},
	"state_safe":     {"センター保全済み", "Safe at central"},
	"state_settled":  {"確定", "Settled"},
}
