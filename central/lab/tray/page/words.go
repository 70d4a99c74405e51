package page

// Languages of the page, as RFC 5646 tags.
const (
	japanese = "ja"
	english  = "en"
)

type word struct{ ja, en string }

// say returns a word of the catalog, "" if there is none.
func say(lang, key string) string {
	w := words[key]
	if lang == english {
		return w.en
	}
	return w.ja
}

// words is the page's catalog.
var words = map[string]word{
	"title":      {"カードトレイ", "Card tray"},
	"practice":   {"練習用", "PRACTICE"},
	"lead":       {"架空の人のカードをカードリーダーに置いて、窓口の画面がどう変わるかを試せます。", "Lay made-up people's cards on the reader and watch what the counter page says."},
	"fiction":    {"ここに出てくる人・番号・証明書は、すべて作りものです。", "Every person, number and certificate here is made up."},
	"other_lang": {"English", "日本語"},
	"counter":    {"窓口の画面を開く", "Open the counter page"},

	"reader":       {"カードリーダー", "Reader"},
	"reader.empty": {"カードは置かれていません", "No card on the reader"},
	"reader.hint":  {"下のカードを選んで「置く」を押してください。", "Choose a card below and press “Lay on reader”."},
	"reader.on":    {"置かれているカード", "Card on the reader"},
	"tap":          {"タップ", "Tap"},
	"take":         {"カードを取る", "Take the card away"},

	"line":         {"センターとの回線", "Line to central"},
	"line.up":      {"つながっています", "The line is up"},
	"line.down":    {"切れています", "The line is cut"},
	"line.up.hint": {"切っても、窓口は止まりません。", "Cut it: the counter goes on working."},
	"line.down.hint": {
		"何を送っても返事はありません。記録は装置にたまります。",
		"Nothing comes through and nothing answers. Records wait on the box.",
	},
	"line.cut":     {"回線を切る", "Cut the line"},
	"line.restore": {"回線をつなぐ", "Restore the line"},

	"cards":   {"カード", "Cards"},
	"lay":     {"置く", "Lay on reader"},
	"lying":   {"置いてあります", "On the reader"},
	"revoke":  {"失効させる", "Revoke"},
	"renew":   {"更新（同じカード）", "Renew, same card"},
	"reissue": {"更新（新しいカード）", "Renew, new card"},

	"knows":       {"本人が知っていること（練習用）", "What the person knows (practice)"},
	"knows.pin":   {"暗証番号", "PIN"},
	"knows.input": {"入力補助用", "input-assist"},
	"knows.birth": {"生年月日", "born"},
	"revoked":     {"失効済み（リスト未掲載）", "Revoked, not on a list yet"},
	"listed":      {"失効済み（リスト掲載）", "Revoked and on the list"},
	"pki":         {"認証局（練習用 JPKI）", "National PKI (practice)"},
	"pki.hint":    {"「失効させる」は認証局だけに伝わります。装置のリストに載るのは、新しいリストを公開したあとです。", "“Revoke” tells the national PKI alone. Boxes learn of it from the next list."},
	"publish":     {"新しい失効リストを公開", "Publish a new list"},

	"ledger":       {"台帳", "Ledger"},
	"ledger.hint":  {"新しい順に最大 30 件。全件は /v1/ledger で取得できます。時刻は日本時間です。", "Newest first, at most 30; all of it at /v1/ledger. Times in Japan."},
	"ledger.no":    {"番号", "No."},
	"ledger.time":  {"時刻", "Time"},
	"ledger.what":  {"できごと", "What"},
	"ledger.who":   {"カード", "Card"},
	"ledger.line":  {"回線", "Line"},
	"ledger.first": {"その場の見込み", "Expected at once"},
	"ledger.final": {"最終の見込み", "Expected finally"},
	"up":           {"接続", "up"},
	"down":         {"切断", "cut"},

	"kind.start":   {"トレイを用意", "Tray ready"},
	"kind.lay":     {"カードを置いた", "Card laid"},
	"kind.fail":    {"置けなかった", "Could not lay"},
	"kind.take":    {"カードを取った", "Card taken"},
	"kind.cut":     {"回線を切った", "Line cut"},
	"kind.restore": {"回線をつないだ", "Line restored"},
	"kind.revoke":  {"認証局で失効", "Revoked at the PKI"},
	"kind.publish": {"リストを公開", "List published"},
	"kind.renew":   {"証明書を更新", "Certificate renewed"},
	"kind.reissue": {"カードを更新", "Card renewed"},

	"outcome.served":    {"受け付け", "served"},
	"outcome.refused":   {"お断り", "refused"},
	"outcome.no_record": {"記録なし", "no record"},

	"trait.in_order":       {"正常", "In order"},
	"trait.renewable":      {"まもなく期限", "Ends soon"},
	"trait.expired":        {"期限切れ", "Expired"},
	"trait.revoked":        {"失効", "Revoked"},
	"trait.on_hold":        {"一時停止", "On hold"},
	"trait.revoked_later":  {"正常（失効を試す用）", "In order, to be revoked"},
	"trait.broken_chain":   {"署名が合わない", "Broken chain"},
	"trait.unknown_issuer": {"発行者不明", "Unknown issuer"},
	"trait.sign_revoked":   {"署名用のみ失効", "Signature certificate void"},
	"trait.no_pin":         {"暗証番号なし", "No PIN"},
	"trait.child":          {"15歳未満", "Under 15"},
	"trait.torn":           {"途中で離す", "Torn away"},
	"trait.nonsense":       {"でたらめな応答", "Answers nonsense"},
	"trait.not_my_number":  {"別のカード", "Another kind of card"},
	"trait.relay":          {"なりすまし", "Relay attempt"},
	"trait.blocked":        {"照合番号ロック", "Birth key blocked"},
	"trait.phone":          {"スマートフォン", "Phone"},

	"problem":               {"できませんでした", "That did not work"},
	"problem.request":       {"入力を読み取れませんでした。", "The request was not understood."},
	"problem.person":        {"その人のカードはありません。", "There is no such card."},
	"problem.no_card":       {"カードリーダーにカードがありません。", "No card lies on the reader."},
	"problem.line":          {"回線はすでにその状態です。", "The line is in that state already."},
	"problem.revoked":       {"この証明書はすでに失効しています。", "This certificate is revoked already."},
	"problem.not_revocable": {"このカードには失効させる証明書がありません。", "This card has no certificate to revoke."},
	"problem.not_renewable": {"このカードの証明書は更新できません。", "This card's certificate cannot be renewed."},
	"problem.rig":           {"カードリーダーか認証局が応答しません。デモの端末の表示を確認してください。", "The reader or the practice PKI does not answer. See the demo's terminal."},
}

// tone sorts traits by what the counter should come to: "good" is served, "bad" refused, "odd" is no tap at all.
func tone(trait string) string {
	switch trait {
	case "in_order", "sign_revoked", "no_pin", "child", "revoked_later":
		return "good"
	case "renewable":
		return "soon"
	case "expired", "revoked", "on_hold", "broken_chain", "unknown_issuer", "relay", "blocked":
		return "bad"
	default:
		return "odd"
	}
}
