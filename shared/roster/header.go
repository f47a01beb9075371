package roster

import (
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Field is what a column holds.
type Field string

// The fields of a sheet. Those from Guardian on belong to a guardian.
const (
	Number       Field = "number" // the school's own number of the child
	GradeOf      Field = "grade"
	ClassOf      Field = "class" // may hold the grade as well: 1年2組, 1-2
	Seat         Field = "seat"
	Name         Field = "name"
	Surname      Field = "surname"
	Given        Field = "given"
	Kana         Field = "kana"
	SurnameKana  Field = "surname_kana"
	GivenKana    Field = "given_kana"
	Groups       Field = "groups" // several in a cell or in several columns
	GuardianName Field = "guardian"
	// GuardianSurname beside GuardianName makes that the given name: 保護者姓, 保護者名.
	GuardianSurname Field = "guardian_surname"
	Relation        Field = "relation"
	Phone           Field = "phone" // several in a cell or in several columns
	Mail            Field = "mail"  // several in a cell or in several columns
	Ignored         Field = "ignored"
)

// person is whom a header says its column is about.
type person int

const (
	nobody person = iota
	child
	guardian
	father
	mother
	emergency // an emergency contact: a guardian's, without saying whose
)

// header is what the text at the head of a column says by itself.
type header struct {
	field  Field
	who    person
	number int // of the guardian, or of the phone or address; 0 if none is given
}

// headerKey returns what spellings of one header have in common: width, case,
// hiragana or katakana, spaces, brackets and marks do not matter.
func headerKey(s string) string {
	s = foldKana(s)
	s = noise.ReplaceAllString(s, "")
	return strings.NewReplacer("必須", "", "任意", "", "全角", "", "半角", "", "ｰ", "ー").Replace(norm.NFC.String(s))
}

// HeaderKey returns what spellings of one word in a sheet have in common, for
// sheets of other things than rosters.
func HeaderKey(s string) string { return headerKey(s) }

var noise = regexp.MustCompile(`[\s_\-‐−–—()\[\]{}<>〈〉《》【】「」『』・:;.,、。/／\\*※★☆●○◎#"'’!?~]`)

// persons are the beginnings of headers that say whose column it is; the longer
// of two that fit stands first.
var persons = []struct {
	word string
	who  person
}{
	{"児童生徒", child}, {"児童", child}, {"生徒", child}, {"園児", child}, {"幼児", child}, {"学生", child},
	{"子ども", child}, {"子供", child}, {"こども", child}, {"お子様", child}, {"お子さま", child}, {"お子さん", child}, {"本人", child},
	{"student", child}, {"pupil", child}, {"child", child},
	{"保護者", guardian}, {"guardian", guardian}, {"parentguardian", guardian}, {"parent", guardian},
	{"父親", father}, {"父", father}, {"father", father}, {"dad", father}, {"母親", mother}, {"母", mother}, {"mother", mother}, {"mum", mother}, {"mom", mother},
	{"緊急連絡先", emergency}, {"緊急時連絡先", emergency}, {"緊急時の連絡先", emergency}, {"緊急", emergency},
	{"日中連絡先", emergency}, {"日中の連絡先", emergency}, {"連絡先", emergency},
	{"emergencycontact", emergency}, {"contact", emergency},
}

// words are the names of fields after the person and the number were taken off.
var words = map[Field][]string{
	Number:       {"学籍番号", "個人番号", "管理番号", "id", "no", "number", "code", "idnumber", "admissionnumber", "番号", "コード"},
	GradeOf:      {"学年", "年", "grade", "year", "gradelevel", "yearlevel", "schoolyear", "yeargroup"},
	ClassOf:      {"組", "クラス", "学級", "年組", "学年組", "学年クラス", "組名", "クラス名", "学級名", "class", "classname", "homeroom", "homeroomclass", "form", "formgroup", "formclass", "tutorgroup", "registrationgroup"},
	Seat:         {"出席番号", "出席no", "番号", "番", "席番", "席番号", "名簿番号", "seat", "seatnumber", "seatno", "rollnumber", "rollno", "attendancenumber"},
	Name:         {"", "氏名", "名前", "お名前", "姓名", "氏名漢字", "名前漢字", "漢字氏名", "フルネーム", "name", "fullname", "名"},
	Surname:      {"姓", "氏", "苗字", "名字", "姓漢字", "surname", "lastname", "familyname"},
	Given:        {"名", "名漢字", "givenname", "firstname", "forename", "given"},
	SurnameKana:  {"セイ"},
	GivenKana:    {"メイ"},
	Groups:       {"グループ", "グループ名", "所属グループ", "部活", "部活動", "部活動名", "部活名", "部", "クラブ", "クラブ名", "クラブ活動", "委員会", "委員会名", "係", "学童", "班", "通学班", "登校班", "group", "groups", "club", "clubs", "committee", "committees"},
	GuardianName: {"", "氏名", "名前", "お名前", "名", "氏名漢字", "名前漢字", "name", "fullname"},
	Relation: {"続柄", "続き柄", "間柄", "関係", "との続柄", "との関係", "電話続柄", "電話番号続柄", "relation", "relationship",
		"児童との続柄", "生徒との続柄", "児童生徒との続柄", "園児との続柄", "子どもとの続柄", "お子様との続柄", "本人との続柄", "relationtostudent", "relationshiptostudent"},
	Phone: {"電話", "電話番号", "tel", "telephone", "telephonenumber", "phone", "phonenumber", "mobile", "mobilephone", "mobilenumber", "cell", "cellphone",
		"携帯", "携帯電話", "携帯番号", "携帯電話番号", "電話携帯", "電話番号携帯", "自宅電話", "自宅電話番号", "電話自宅", "電話番号自宅", "固定電話", "固定電話番号",
		"homephone", "workphone", "勤務先電話", "勤務先電話番号", "電話勤務先", "電話番号勤務先", "連絡先電話", "連絡先電話番号",
		"自宅tel", "携帯tel", "勤務先tel"},
	Mail: {"メール", "メールアドレス", "eメール", "eメールアドレス", "emailアドレス", "mailアドレス", "アドレス", "メアド", "携帯メール", "携帯メールアドレス",
		"メールアドレス携帯", "pcメール", "pcメールアドレス", "連絡先メール", "連絡先メールアドレス", "email", "emails", "emailaddress", "mail", "mailaddress"},
	Ignored: {"エラー", "error", "errors"},
}

// meanings maps who and what to the field. A word that means something else of a
// person than by itself, such as 番号, is listed under both.
var meanings = buildMeanings()

type headerWord struct {
	who  person
	word string
}

func buildMeanings() map[headerWord]Field {
	k := map[headerWord]Field{}
	put := func(who person, fields ...Field) {
		for _, f := range fields {
			for _, w := range words[f] {
				k[headerWord{who, headerKey(w)}] = f
			}
		}
	}
	// What is put later wins.
	put(nobody, Number, GradeOf, ClassOf, Seat, Name, Surname, Given, SurnameKana, GivenKana, Groups, Relation, Phone, Mail, Ignored)
	put(child, Seat, Number, GradeOf, ClassOf, Surname, Given, Name, Groups, Phone, Mail)
	for _, who := range []person{guardian, father, mother} {
		put(who, GuardianName, Relation, Phone, Mail)
	}
	put(emergency, GuardianName, Relation, Mail, Phone)
	delete(k, headerWord{nobody, ""})
	delete(k, headerWord{nobody, "no"}) // a running number of the sheet, mostly
	k[headerWord{emergency, ""}] = Phone
	for _, who := range []person{guardian, father, mother} { // 保護者連絡先1, 母の緊急連絡先
		k[headerWord{who, "連絡先"}], k[headerWord{who, "緊急連絡先"}] = Phone, Phone
	}
	for _, who := range []person{guardian, father, mother} {
		for _, w := range words[Surname] {
			k[headerWord{who, headerKey(w)}] = GuardianSurname
		}
	}
	return k
}

var (
	digits   = regexp.MustCompile(`[0-9]+`)
	numbered = regexp.MustCompile(`第?[0-9]+`)
	ordinal  = regexp.MustCompile(`^(?:第([0-9]{1,3}|[一二三四五六七八九])|(primary|secondary))(.+)$`)
	kanaWord = regexp.MustCompile(`ひらがな|かたかな|ふりがな|よみがな|読みがな|読み仮名|よみ|読み|かな|furigana|hiragana|katakana|kana|reading`)
)

// parseHeader understands the text at the head of a column; ok is false if it
// means nothing to a roster.
func parseHeader(text string) (h header, ok bool) {
	key := headerKey(text)
	if m := ordinal.FindStringSubmatch(key); m != nil { // 第1連絡先, Secondary Contact Email
		h, ok := parseKey(m[3])
		h.number = ordinals[m[1]+m[2]]
		if h.number == 0 {
			h.number, _ = strconv.Atoi(m[1])
		}
		return h, ok && ofGuardian(h)
	}
	return parseKey(key)
}

var ordinals = map[string]int{"一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "primary": 1, "secondary": 2}

// parseKey is parseHeader without an ordinal.
func parseKey(key string) (h header, ok bool) {
	for _, p := range persons {
		if rest, found := strings.CutPrefix(key, headerKey(p.word)); found {
			if p.who == guardian && isParent(rest) { // 保護者（父）氏名
				return parseKey(rest)
			}
			for _, of := range []string{"", "の", "s"} { // 保護者の電話, Child's Name
				if h, ok := parseField(p.who, strings.TrimPrefix(rest, of)); ok {
					return h, true
				}
			}
		}
	}
	for _, p := range persons {
		if rest, found := strings.CutSuffix(key, p.word); found && isParent(p.word) { // 携帯（母）
			return parseField(p.who, rest)
		}
	}
	return parseField(nobody, key)
}

func isParent(key string) bool { return strings.HasPrefix(key, "父") || strings.HasPrefix(key, "母") }

// parseField understands a header without its person.
func parseField(who person, key string) (header, bool) {
	h := header{who: who}
	if nums := digits.FindAllString(key, -1); len(nums) > 0 {
		n := nums[len(nums)-1]
		if who >= guardian && strings.HasPrefix(key, nums[0]) {
			n = nums[0] // 保護者1メール2 is an address of guardian 1
		}
		h.number, _ = strconv.Atoi(n)
		key = strings.TrimPrefix(numbered.ReplaceAllString(key, ""), "の")
	}
	if kanaWord.MatchString(key) && who <= child {
		return kanaField(h, kanaWord.ReplaceAllString(key, ""))
	}
	field, ok := meanings[headerWord{who, key}]
	h.field = field
	return h, ok
}

// isShortName reports whether a header is a word for a child and 名 alone.
func isShortName(text string) bool {
	who, short := strings.CutSuffix(kanaWord.ReplaceAllString(headerKey(text), ""), "名")
	h, ok := parseHeader(who)
	return short && ok && h.who == child && h.field == Name
}

// kanaField understands a header for a reading by what it is the reading of.
func kanaField(h header, key string) (header, bool) {
	if key == "" {
		h.field = Kana
		return h, true
	}
	field, ok := meanings[headerWord{h.who, key}]
	h.field = map[Field]Field{Name: Kana, Surname: SurnameKana, Given: GivenKana}[field]
	return h, ok && h.field != ""
}
