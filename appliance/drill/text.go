package drill

// both is something in Japanese and in English.
type both struct{ ja, en string }

func (b both) in(l Lang) string {
	if l == Japanese {
		return b.ja
	}
	return b.en
}

// Lang is a language of the printed report (RFC 5646).
type Lang string

// Languages.
const (
	Japanese Lang = "ja"
	English  Lang = "en"
)

// classTexts are at most 41 columns wide.
var classTexts = map[ClassID]both{
	Enrolments:     {"この端末の登録者(証明書・生年月日・鍵)", "people enrolled here: card, birth, key"},
	Roster:         {"名簿の登録者(証明書・生年月日・番号)", "people on the roster: card, birth date"},
	Presence:       {"誰がいつ利用・退出したか", "who was served or left, and when"},
	Links:          {"利用者番号と本人の結び付き", "a service's numbers, and whose they are"},
	Staff:          {"職員の ID と氏名", "staff: ids and names"},
	StaffCodes:     {"職員コードのハッシュ", "codes of staff, hashed"},
	DeskLog:        {"窓口に誰がいたか、誰が確認したか", "which of the staff was at the desk"},
	Records:        {"記録(誰がタップしたか)", "records: who tapped, and the proof"},
	RecordsNow:     {"最新のエポックの記録(最大 1 時間分)", "records of the last epoch (1 h at most)"},
	Typed:          {"直前 1 分に入力された PIN・生年月日", "PIN or birth date typed in the last minute"},
	Pseudonyms:     {"画面が求めた仮名(PPID)", "pseudonyms (PPID) that the page asked for"},
	SwappedMemory:  {"スワップへ書き出されたメモリー", "memory written to swap"},
	CoreFiles:      {"コアファイルに残ったメモリー", "memory in core files"},
	SiteKeys:       {"拠点の鍵", "the site's keys"},
	OperatorCode:   {"運用コード", "the operator's code"},
	KeysForCentral: {"センターに渡す前の拠点の鍵", "site keys made here, waiting for central"},
	DeviceKey:      {"端末の署名鍵", "the box's signing key"},
	SealingKey:     {"端末の受信用の鍵", "the box's key to receive site keys by"},
	FromCentral:    {"USB メモリー上のセンターからの荷物", "parcels from central, on a stick"},
	JoinCode:       {"未使用の参加コードの秘密", "secret of a join code not used up"},
	ClosedBy:       {"閉鎖を指示した職員の ID", "id of who had the site closed"},
	TapTimes:       {"タップの時刻・窓口・業務・判定", "taps: time, desk, service, verdict"},
	VisitTimes:     {"拠点台帳の項目の種類・日時・業務", "site book: kind, day or time, service"},
	References:     {"照合用の鍵付きハッシュ", "keyed hashes by which entries are found"},
	Verdicts:       {"最終判定", "final verdicts"},
	Corrections:    {"訂正された判定", "corrected verdicts"},
	RosterSize:     {"名簿の人数", "how many are on the roster"},
	Proofs:         {"ヘッダー・連鎖値・受領の控え", "headers, chain values, acknowledgements"},
	RevokedCards:   {"失効証明書の番号(全国分)", "serials on revocation lists, nationwide"},
	Settings:       {"設定・信頼情報・時刻・指示", "settings, trust, rules, clock, orders"},
}

var underTexts = map[Under]both{
	InClear:    {"平文", "nothing"},
	SiteRing:   {"拠点の鍵", "site keys"},
	ForCentral: {"センターの鍵", "central's key"},
	EpochKey:   {"センターの鍵", "central's key"},
	OwnLock:    {"下記", "see above"},
	Identity:   {"TPM/ファイル", "TPM or file"},
	Memory:     {"メモリーのみ", "memory only"},
	Machine:    {"平文", "nothing"},
}

var reachTexts = map[Reach]both{
	No:    {"-", "-"},
	Tries: {"制限", "tries"},
	Guess: {"総当り", "guess"},
	Use:   {"使用", "use"},
	Maybe: {"恐れ", "MAYBE"},
	Yes:   {"読める", "READS"},
}

var situationTexts = map[Situation]both{
	Off:     {"電源断", "off"},
	OffCode: {"断+コード", "off+code"},
	On:      {"稼働中", "on"},
	OnCode:  {"動+コード", "on+code"},
}

// legend says what the words of the table mean.
var legend = []both{
	{"読める = 内容を読み取れる  恐れ = あるかもしれない  使用 = 端末が手元にある間だけ使える", "READS: he reads it. MAYBE: it may be there. use: while he has the box, and cannot copy it."},
	{"総当り = 自分の計算機でコードを何度でも試せる  制限 = TPM が回数を数える", "guess: he may try codes on machines of his own. tries: at the TPM, 10 codes, then 144 a day."},
}

var lieTexts = map[string]both{
	LieNone:     {"この端末には無い(メモリーのみ)", "not on this disk (in memory alone, if at all)"},
	LieCodeTPM:  {"運用コードと TPM", "the operator's code and the TPM"},
	LieCodeFile: {"運用コードのみ(TPM なし)", "the operator's code alone (no TPM)"},
	LieTPM:      {"TPM のみ", "the TPM ALONE"},
	LieFile:     {"ファイルのみ", "a file ALONE"},
	LieCode:     {"運用コード", "the operator's code"},
	NotSeen:     {"不明", "unknown"},
}

var identityTexts = map[string]both{
	LieTPM: {"TPM", "in the TPM"}, LieFile: {"ファイル", "in a file"}, LieNone: {"なし", "none"}, NotSeen: {"不明", "unknown"},
}

var openTexts = map[string]both{
	"open":    {"開いている", "open"},
	"locked":  {"閉じている", "locked"},
	"assumed": {"開いているとみなす", "taken to be open"},
}

var problemTexts = map[ProblemID]both{
	UnknownFile:    {"不明なファイル", "UNKNOWN: no release of this program writes it"},
	UnknownTable:   {"不明な表", "UNKNOWN table"},
	UnknownColumn:  {"不明な列", "UNKNOWN column"},
	UnknownContent: {"形式に合わない内容", "UNKNOWN content, not of the form that belongs there"},
	ClearText:      {"平文の文章または証明書", "text or a certificate IN THE CLEAR"},
	Damaged:        {"壊れていて最後まで読めない", "damaged, cannot be read to its end"},
	Unreadable:     {"読めない", "cannot be read"},
}

var levelTexts = map[Level]both{Red: {"赤", "RED"}, Warn: {"注意", "NOTE"}, Info: {"参考", "info"}}

// findingTexts may name facts in braces.
var findingTexts = map[FindingID]both{
	LiesTPM: {
		"拠点の鍵は TPM だけで開く。端末ごと盗めば、電源を入れるだけで名簿と台帳が読める。ディスクだけなら読めない。",
		"The site's keys open by the TPM alone: who has the whole box switches it on and reads roster and book. The disk without the box gives nothing.",
	},
	LiesFile: {
		"拠点の鍵はファイルだけで開く。ディスクを写せば名簿と台帳が読める。",
		"The site's keys open by a file alone: who copies the disk reads roster and book.",
	},
	RuleTPM: {
		"署名された規則が、TPM だけで鍵を開くことを許している。",
		"The signed rule in force lets the site's keys open by the TPM alone.",
	},
	RuleFile: {
		"署名された規則が、ファイルだけで鍵を開くことを許している。",
		"The signed rule in force lets the site's keys open by a file alone.",
	},
	GuessOffLine: {
		"TPM がないので、運用コードは盗んだ者の計算機で何度でも試せる。1 回に Argon2id {passes} 回・{memory_kib} KiB、この端末で {try_ms} ミリ秒(1 日 {tries_a_day} 回)。" +
			"計算機が 1,000 台なら、無作為な 12 桁の数字は数年から数十年、言葉を並べたものは数日も持たない。",
		"Without a TPM the operator's code can be tried on any number of machines: each try costs Argon2id with {passes} passes over {memory_kib} KiB, " +
			"{try_ms} ms here, {tries_a_day} a day. Against 1,000 such machines 12 random digits last years, a code made of a word not a day.",
	},
	CountOpen: {
		"この TPM のロックアウト認可は、端末が生まれる前に設定されていた。知っている者はコードの回数を元に戻せる。",
		"The authorisation of this TPM's lockout was set before this box was born: whoever knows it resets the count of wrong codes.",
	},
	IdentityFile: {
		"端末の鍵はファイルにある。ディスクを写した者は、この端末になりすませる。",
		"The box's own keys are in a file: who copies the disk can pose as this box.",
	},
	CentralOpens: {
		"紛失をセンターに届けるまでは、盗んだ者が端末(または端末の鍵)をセンターへの回線につなぐと、センターが拠点の鍵を渡す。センターがこの端末あてに書いた USB メモリーも同じである。" +
			"すぐに kazashi-central box lost を行うこと。",
		"Until central is told, it gives the site's keys to whoever brings the box (or its keys) to a line; a stick that it wrote for this box does the same. " +
			"Then he reads what lies under them. Run `kazashi-central box lost` at once.",
	},
	HeldBySoftware: {
		"鍵は意図的に閉じられているが、守るのはこのプログラムだけである。ディスクを別のプログラムで読む者には効かない。",
		"The keys were locked on purpose. That binds this program, and nobody who reads the disk with another.",
	},
	OldRing: {
		"以前の拠点の鍵のファイルが残っている。そのときのコードを知る者は、それで開ける。",
		"An older file of site keys lies here as well: it opens by the code of its time.",
	},
	KeysAssumed: {
		"稼働中の端末に尋ねていない。「稼働中」の列は、鍵が開いているものとした。",
		"No running box was asked: the columns `on` take the site's keys to be open.",
	},
	SwapOpen: {
		"暗号化されていないスワップがある。鍵・PIN・証明書がディスクに書かれているおそれがある。",
		"There is unencrypted swap: keys, PINs and certificates may have been written to it.",
	},
	SwapAllowed: {
		"設定 allow_swap により、スワップがあっても鍵を開く。",
		"allow_swap is set: the site's keys are opened though memory may be written to the disk.",
	},
	CoreHere: {
		"このプログラムのコアファイルがある。鍵を含むおそれがある。調べた後、消すこと。",
		"A core file of this program lies on the machine: keys may be in it. Erase it.",
	},
	StaffIDClear: {
		"消去証明書に、閉鎖を指示した職員の ID が平文で載っている。ID の付け方は事務所による。",
		"A certificate of erasure names who had the site closed by a staff id, in the clear. What an id tells is up to the office.",
	},
	Unknowns: {
		"分からないもの、見られなかったものが {problems} 件ある。下の一覧を見ること。",
		"{problems} things are unknown or could not be looked at: see the list of files.",
	},
	MachineUnseen: {
		"写しを調べた。元の端末のスワップ・コアファイル・USB メモリーは見ていない。",
		"This is a copy: swap, core files and sticks of the machine that it came from were not looked at.",
	},
	LogElsewhere: {
		"ログは標準エラーに出て、保存先はサービス管理による。ここでは見ていない。個人を示すものは書かれない。",
		"The log goes to standard error and lies where the service manager keeps it; it was not looked at. Nothing that names anybody is written to it.",
	},
	TimesTell: {
		"{taps} 件のタップの時刻と窓口は平文である。その時刻に誰かを見た者は、それがその人のタップだと分かる。",
		"Time and desk of {taps} taps are in the clear: who saw somebody come at that time knows whose tap it was, and its verdict.",
	},
	PageOpen: {
		"稼働中の端末の画面は、その場にいる者が使える。最近の判定、番号の照会、訂正の一覧が見える。",
		"Whoever sits at the running box can use its page: latest verdicts, who is asked about, corrections.",
	},
	ClearTextHere: {
		"平文の文章または証明書が {places} か所で見つかった。",
		"Text or certificates lie in the clear in {places} places where none belongs.",
	},
	JoinPending: {
		"USB メモリーでの参加が完了していない。参加コードの秘密が平文で残り、盗んだ者がそのコードで参加できる。紛失時はコードを取り消すこと。",
		"A join by stick is not complete: the secret of its code lies here in the clear, and who has it can join by it. If the box is lost, void the code.",
	},
	StickOpens: {
		"センターからこの端末あての荷物を載せた USB メモリーがある。拠点の鍵を含むことがあり、端末と一緒に盗まれると、コードなしで開ける。取り込んだ後は離して保管し、消すこと。",
		"A stick with what central wrote for this box is in it. Site keys may be among that: stolen together they open without the code. " +
			"Take the stick out after the import, keep it elsewhere, erase it.",
	},
	VisitsLink: {
		"拠点台帳の項目のうち {groups} 組は、鍵がなくても、同じ業務での同じ人のものだと分かる(誰かは分からない)。一度その人を見た者は、その業務での他の来訪も知る。",
		"{groups} groups of entries of the site book can be told to be of one person at one service, though not of whom: " +
			"who saw that person once knows of the other visits there.",
	},
	TPMTries: {
		"TPM は {at_once} 回まで、その後は 1 日 {a_day} 回だけコードを試させる。無作為な 6 桁の数字なら約 19 年、生年月日なら 1 年以内に破られる。",
		"The TPM takes {at_once} wrong codes, then {a_day} a day: six random digits last 19 years, somebody's birthday less than one.",
	},
	Forges: {
		"紛失をセンターに届けるまでは、盗んだ者がこの端末の名で記録を作り、送ることができる。PIN の証拠だけは作れない。",
		"Until central is told, a thief can make records in this box's name and send them; but for the proof of a PIN, which he cannot make.",
	},
	FormerFiles: {
		"置き換えられたファイルは、ディスクの空き領域やフラッシュに残ることがある。以前にファイルのみ、または別のコードで鍵を置いていたなら、それで開ける。拠点の鍵を更新すること。",
		"What was replaced may stay where a disk or flash keeps it: if the site's keys ever lay under a file alone, or another code, that opens them. Rotate them then.",
	},
	Elsewhere: {
		"この端末のほかのフォルダー(取り込んだ番号の一覧、書き出した報告、写真など)は見ていない。",
		"Other folders of this machine were not looked at: lists of numbers that were imported, reports, photographs.",
	},
	NoBox: {
		"端末の鍵がここにない。端末のデータ領域ではないか、一部が欠けている。",
		"No identity lies here: this is no box's data directory, or not all of it.",
	},
	StaffGuess: {
		"拠点の鍵を得た者は、職員コードを総当りで試せる(Argon2id)。鍵の更新後、コードも変えること。",
		"Who has the site's keys may try the codes of staff (Argon2id): change them as well.",
	},
}

var kindTexts = map[Kind]both{
	KindUnknown: {"不明", "unknown"}, KindIdentity: {"端末の鍵", "the box's keys"}, KindRing: {"拠点の鍵", "site keys"},
	KindTries: {"誤ったコードの回数", "count of wrong codes"}, KindNote: {"控え", "note"}, KindPlace: {"所属", "place"},
	KindTrust: {"信頼情報", "trust bundle"}, KindRules: {"規則", "rules"}, KindVersion: {"版", "version"}, KindClock: {"時刻", "clock"},
	KindOrders: {"指示", "orders"}, KindClosing: {"閉鎖の計画", "plan of a closing"}, KindErasure: {"消去証明書", "certificate of erasure"},
	KindJournal: {"記録", "journal"}, KindBook: {"拠点台帳", "site book"}, KindVerdicts: {"最終判定", "final verdicts"},
	KindBeside: {"データベースの付属", "beside a database"}, KindLock: {"ロック", "lock"}, KindSocket: {"ソケット", "socket"},
	KindSet: {"失効リスト", "revocation set"}, KindSetPart: {"失効リスト(取得中)", "part of a revocation set"},
	KindManifest: {"失効リストの署名", "manifest"}, KindRefused: {"拒んだ理由", "reason of a refusal"}, KindRosterHead: {"名簿の見出し", "head of the roster"},
	KindSegment: {"名簿", "roster"}, KindDigests: {"要約値", "digests"}, KindConfig: {"設定", "configuration"}, KindSwap: {"スワップ", "swap"},
	KindUnseen: {"未確認の判定", "verdicts perhaps unseen"}, KindCourier: {"荷物の番号", "numbers of parcels"},
	KindPending: {"参加の申請", "request to join"}, KindStick: {"USB メモリー", "stick"}, KindCore: {"コアファイル", "core file"}, KindReserve: {"予備の領域", "room kept back"},
}

// words are the other parts of the printed report.
var words = map[string]both{
	"title":   {"紛失端末の点検", "LOST-BOX DRILL"},
	"box":     {"端末", "box"},
	"site":    {"拠点", "site"},
	"dir":     {"場所", "looked at"},
	"state":   {"状態", "state"},
	"running": {"稼働中", "running"},
	"stopped": {"停止中", "not running"},
	"copy":    {"写し", "a copy"},
	"own":     {"端末の鍵", "box's keys"},
	"keys":    {"拠点の鍵", "site keys"},
	"under":   {"開くもの", "open by"},
	"rule":    {"規則", "rule"},
	"now":     {"現在", "now"},
	"what":    {"あるもの", "WHAT LIES HERE"},
	"count":   {"件数", "COUNT"},
	"seal":    {"封", "SEALED BY"},
	"files":   {"ファイルごと", "FILE BY FILE"},
	"notes":   {"表の外のこと", "WHAT THE TABLE DOES NOT SAY"},
	"answer":  {"個人情報保護の担当者へ", "FOR THE DATA-PROTECTION OFFICER"},
	"absent":  {"この端末に無いもの", "not here"},
	"some":    {"不定", "?"},
}
