package people

import (
	"fmt"
	"math/rand/v2"
)

// municipalities are invented. Prefecture 48 does not exist: JIS X 0401 ends at 47.
var municipalities = []Municipality{
	{"48201", "架空県", "練習市", "Kakuu-ken", "Renshuu-shi"},
	{"48202", "架空県", "見本市", "Kakuu-ken", "Mihon-shi"},
	{"48301", "架空県", "例示町", "Kakuu-ken", "Reiji-machi"},
}

// Municipalities lists the invented places; the caller may keep the slice.
func Municipalities() []Municipality { return append([]Municipality(nil), municipalities...) }

var familyNames = []string{"練習", "見本", "架空", "仮名", "例示", "模擬", "試作", "空想", "想定", "演習"}

var givenNames = map[Sex][]string{
	Female: {"仮子", "試子", "例子", "一例", "空美", "想代"},
	Male:   {"仮男", "試郎", "例太", "二例", "空人", "想一"},
}

var districts = []string{"見本町", "仮設", "想像ヶ丘", "例題", "試行台", "空白新田"}

func givenName(s Sex, r *rand.Rand) string { return pick(r, givenNames[s]...) }

// address is written as the card does, block numbers in full-width digits.
func address(m Municipality, r *rand.Rand) string {
	return fmt.Sprintf("%s%s%s%s－%s－%s", m.Prefecture, m.Name, pick(r, districts...),
		wide(1+r.IntN(9)), wide(1+r.IntN(30)), wide(1+r.IntN(20)))
}

func wide(n int) string {
	out := []rune(fmt.Sprint(n))
	for i, c := range out {
		out[i] = c - '0' + '０'
	}
	return string(out)
}

// known is a person whom tests, tray and smoke call by name.
type known struct {
	key           string
	kind          Case
	generation    int
	family, given string
	sex           Sex
	birth         Date
	label         string
	foreign       bool
}

// kinds of those who have no card of today.
var kinds = map[string]Kind{"mirai": NextCard, "sumire": Phone}

// gregorian are those whose birth key has the Gregorian year.
var gregorian = map[string]bool{"tomas": true}

// named are in an order in which the first few already make a useful small world. New ones come last: places give serials.
var named = []known{
	{"hanako", InOrder, 3, "練習", "花子", Female, Date{1980, 4, 12}, "正常（第3世代） / in order, generation 3", false},
	{"taro", InOrder, 2, "見本", "太郎", Male, Date{1957, 9, 30}, "正常（第2世代） / in order, generation 2", false},
	{"goro", Revoked, 3, "例示", "五郎", Male, Date{1972, 1, 25}, "失効 / revoked", false},
	{"sachiko", Expired, 2, "模擬", "幸子", Female, Date{1949, 11, 3}, "期限切れ / expired", false},
	{"mika", OnHold, 3, "試作", "美香", Female, Date{1991, 6, 18}, "一時停止 / on hold", false},
	{"jiro", RevokedLater, 3, "空想", "次郎", Male, Date{1985, 2, 9}, "のちに失効 / revoked later", false},
	{"ren", BrokenChain, 3, "仮名", "蓮", Male, Date{1999, 12, 1}, "署名が不正 / broken chain", false},
	{"aoi", UnknownIssuer, 3, "想定", "葵", Female, Date{2001, 8, 20}, "未知の発行者 / unknown issuer", false},
	{"yuki", InOrder, 3, "架空", "ゆき", Female, Date{1968, 3, 5}, "正常（第3世代） / in order, generation 3", false},
	{"maria", InOrder, 3, "MIHON", "MARIA", Female, Date{1976, 10, 14}, "外国人住民 / foreign resident", true},
	{"sora", Child, 3, "練習", "空", Male, Date{2019, 5, 1}, "こども（署名用なし） / child, no signature certificate", false},
	{"tsuru", NoPIN, 3, "例示", "つる", Female, Date{1926, 12, 25}, "暗証番号なし / holder has no PIN", false},
	{"kenji", InOrder, 2, "架空", "健二", Male, Date{1989, 1, 8}, "正常（第2世代、平成元年） / in order, generation 2", false},
	{"nao", SignRevoked, 3, "演習", "直", Female, Date{1994, 7, 7}, "転居で署名用失効 / signature certificate void", false},
	{"haru", InOrder, 2, "仮名", "ハル", Female, Date{1989, 1, 7}, "正常（第2世代、昭和64年） / in order, generation 2", false},
	{"fumi", Expired, 1, "見本", "ふみ", Female, Date{1931, 5, 21}, "期限切れ（第1世代） / expired, generation 1", false},
	{"mirai", InOrder, 4, "架空", "未来", Female, Date{1996, 6, 16}, "次世代カード / next-generation card", false},
	{"sumire", UnknownIssuer, 3, "空想", "すみれ", Female, Date{1990, 2, 2}, "スマートフォン / certificate on a phone", false},
	{"tomas", InOrder, 3, "KAKUU", "TOMAS", Male, Date{1984, 3, 3}, "外国人住民（生年月日が西暦） / foreign resident, Gregorian birth key", true},
	{"kiku", InOrder, 3, "例示", "菊", Female, Date{1948, 6, 0}, "生まれた日が不明 / day of birth not known", false},
	{"chika", InOrder, 3, "演習", "千佳", Female, Date{1980, 4, 12}, "花子と同じ生年月日 / born on the same day as Hanako", false},
}

func (k known) person() Person {
	return Person{
		Key: k.key, Label: k.family + " " + k.given + " · " + k.label, Case: k.kind, Generation: k.generation,
		Family: k.family, Given: k.given, Foreign: k.foreign, Sex: k.sex, Birth: k.birth, Kind: kinds[k.key], Gregorian: gregorian[k.key],
	}
}

// Named is how many people have a name of their own: the world's default size.
func Named() int { return len(named) }
