package catalog

// courierLabels are those of the way by USB stick, of verdicts from before a restart, and of the records on the box's own disk.
var courierLabels = map[string]Text{
	"courier": {"USBメモリーで運ぶ", "By USB stick"},
	"courier_say": {
		"回線がなくても、USBメモリーで記録をセンターへ届け、結果を受け取れます。",
		"Without a line, a USB stick takes the records to central and brings the results back.",
	},
	"courier_waiting": {"センターに届いていない記録：{n} 件", "Records not at central yet: {n}"},
	"courier_open":    {"USBメモリーを使う", "Use a USB stick"},
	"courier_close":   {"閉じる", "Close"},
	"courier_none": {
		"USBメモリーが見つかりません。差し込んで、数秒お待ちください。",
		"No USB stick is there. Plug one in and wait a few seconds.",
	},
	"courier_free":         {"空き {t}", "{t} free"},
	"courier_up":           {"この装置が書いたファイル {n} 個", "files written by this box: {n}"},
	"courier_down":         {"センターからのファイル {n} 個", "files from central: {n}"},
	"courier_read_only":    {"書き込めません（書き込み防止）", "It takes no writing (write-protected)"},
	"courier_export":       {"記録 {n} 件を書き出す", "Write {n} records"},
	"courier_export_state": {"新しい記録なし：状態だけ書き出す", "No new records: write the state only"},
	"courier_import":       {"センターからの結果を取り込む", "Take in what central sent"},
	"courier_far":          {"{n} ／ {m}", "{n} of {m}"},

	"courier_export_on": {
		"書き出しています。終わるまで抜かないでください。この画面を閉じても続きます。",
		"Writing. Leave the stick in until this is done; it goes on if you close this page.",
	},
	"courier_import_on": {
		"取り込んでいます。終わるまで抜かないでください。この画面を閉じても続きます。",
		"Taking in. Leave the stick in until this is done; it goes on if you close this page.",
	},
	"courier_export_done":   {"書き出しました。USBメモリーを抜いてかまいません。", "Written. You may pull the stick out now."},
	"courier_import_done":   {"取り込みました。USBメモリーを抜いてかまいません。", "Taken in. You may pull the stick out now."},
	"courier_export_failed": {"書き出しは途中で終わりました。", "The writing ended early."},
	"courier_import_failed": {"取り込みは途中で終わりました。", "The taking in ended early."},

	"courier_wrote":       {"記録 {n} 件を、{m} 個のファイルに書きました。", "Records written: {n} (files: {m})"},
	"courier_wrote_state": {"新しい記録はないため、この装置の状態だけを書きました。", "There are no new records, so the state of this box alone was written."},
	"courier_known":       {"前に書いた {n} 個のファイルは、そのまま残しました。", "Files from before, left as they are: {n}"},
	"courier_holds": {
		"中身：封をした（暗号化した）かざしの記録です。開けるのはセンターだけで、氏名や個人番号は読み取れません。",
		"On the stick: sealed records of taps. Only central can open them, and they name nobody to anyone else.",
	},
	"courier_stays": {
		"同じ記録は装置にも残っています。USBメモリーをなくしても、書き出し直せます。",
		"The same records are still on this box. If the stick is lost, write them again.",
	},
	"courier_take": {
		"次に：センターの担当者（この装置を用意した部署）へ届けてください。戻ってきたら、ここに差して「センターからの結果を取り込む」を押します。",
		"Next: take it to whoever runs central, the office that set this box up. When it comes back, plug it in here and press “Take in what central sent”.",
	},

	"courier_received": {"センターが受け取った記録：{n} 件", "Records that central now has: {n}"},
	"courier_verdicts": {"確定した結果 {n} 件のうち、見直しが必要な受付：{m} 件", "Of {n} final verdicts, {m} need a second look"},
	"courier_work":     {"見直しが必要な受付は、「訂正のお知らせ」にあります。", "What needs a second look stands under “Corrections”."},
	"courier_updated":  {"新しくなったもの：{t}", "Newer now: {t}"},
	"courier_old":      {"前に取り込んだファイル：{n} 個", "Files taken in before: {n}"},
	"courier_removed": {
		"役目を終えた（中身がセンターで保全済み、またはこの装置に取り込み済みの）ため、USBメモリーから消したファイル：{n} 個",
		"Files removed from the stick, since all that is in them is safe at central, or was taken in here: {n}",
	},
	"courier_nothing": {"新しいものはありませんでした。", "There was nothing new."},
	"courier_refused": {"取り込めなかったファイル：{n} 個", "Files that were not taken: {n}"},
	"courier_left": {
		"一部が読めない前のファイル：{n} 個。残りの記録がほかにないかもしれないため、消していません。このままセンターへ届けてください。",
		"Files from before of which a part cannot be read: {n}. They were left, since the other records in them may be nowhere else. Take them to central as they are.",
	},

	"update_trust":  {"信頼設定", "trust bundle"},
	"update_rules":  {"規則", "rules"},
	"update_lists":  {"失効リスト", "revocation list"},
	"update_roster": {"かざし利用の名簿", "roster"},
	"update_keys":   {"名簿の鍵", "roster keys"},
	"update_orders": {"センターからの指示", "orders from central"},

	"unseen": {"再起動の前の結果", "From before the restart"},
	"unseen_say": {
		"装置が止まる直前の結果で、画面に出なかったかもしれません。ご本人に伝わったか確かめてから、押してください。",
		"Recorded right before the box stopped, and perhaps never shown. Make sure that the person was told, then press the button.",
	},
	"unseen_count": {"{n} 件", "{n}"},
	"unseen_of":    {"{n} 件のうち、新しい {m} 件", "The latest {m} of {n}"},
	"unseen_seen":  {"確認しました", "Seen"},

	"journal":      {"装置に残る記録", "Records on this box"},
	"disk_is_ok":   {"残せます", "Can be kept"},
	"disk_is_low":  {"空きが少ない", "Little room"},
	"disk_is_full": {"空きなし", "No room"},
	"unsafe_count": {"センターで保全前 {n} 件", "not safe at central yet: {n}"},
	"unsafe_none":  {"すべてセンターで保全済み", "all are safe at central"},
	"checked_of":   {"確かめた記録 {n} ／ {m}", "looked through: {n} of {m}"},
	"aside_whole":  {"壊れたファイルから引き継いだ記録 {n} 件", "taken over from a damaged file: {n}"},

	"disk_low": {"装置の空きが少なくなっています", "The box is running out of room"},
	"disk_low_say": {
		"受付は続けられます。責任者に、装置の空きを増やすよう知らせてください。",
		"Taps go on. Tell the person in charge to make room on the box.",
	},
	"disk_full": {"装置の空きがありません", "There is no room on the box"},
	"disk_full_say": {
		"これまでの記録は残っています。空きができるまで新しい受付はできません。紙で受け付けて、責任者に知らせてください。",
		"What was recorded is kept. No tap is taken until there is room: serve on paper and tell the person in charge.",
	},
	"aside_reading": {"壊れた記録ファイルを読み直しています", "A damaged file of records is being read"},
	"aside_reading_say": {
		"受付は続けられます。読み取れた記録はセンターへ送ります。装置の電源を切らないでください。",
		"Taps go on. Whole records in it go to central. Leave the box switched on.",
	},
	"aside_damaged": {"読み取れない記録があります", "Some records cannot be read"},
	"aside_damaged_say": {
		"壊れたファイルから {n} 件を引き継ぎましたが、{m} 件は読み取れません。ファイルは残してあります。責任者に知らせてください。",
		"From a damaged file {n} records were taken over; {m} cannot be read. The file is kept. Tell the person in charge.",
	},
	"aside_unreadable": {"装置のディスクが故障しかけています", "The box's disk is failing"},
	"aside_unreadable_say": {
		"受付は続けられます。読めなくなったファイルから {n} 件を引き継ぎました。読めない部分にほかの記録があるかどうかは分かりません。ファイルは残してあります。ディスクを交換するよう、責任者に知らせてください。",
		"Taps go on. From a file that it no longer gives whole {n} records were taken over. Nobody knows whether there are others in what it does not give. The file is kept. Tell the person in charge to have the disk replaced.",
	},
}
