package roster

import (
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/problem"
)

func TestParseHeader(t *testing.T) {
	tests := map[Field][]string{
		Number:       {"学籍番号", "児童番号", "生徒番号", "管理番号", "ID", "Student ID", "student_number", "Admission Number"},
		GradeOf:      {"学年", "年", "【学年】", " 学　年 ", "学年※必須", "Grade", "Year Level", "school year", "生徒学年"},
		ClassOf:      {"組", "クラス", "ｸﾗｽ", "学級", "年・組", "Form Group", "Homeroom Class", "年組", "学年・組", "組名", "Class", "homeroom", "児童の組"},
		Seat:         {"出席番号", "番号", "番", "出席No.", "席番", "Seat", "Roll No.", "Roll Number"},
		Name:         {"氏名", "名前", "児童氏名", "生徒名", "児童名", "生徒氏名", "児童生徒氏名", "お子様のお名前", "氏　名", "氏名（漢字）", "児童", "氏名（全角）", "Name", "Student Name", "Full name", "Child's Name"},
		Surname:      {"姓", "苗字", "名字", "Last Name", "family name", "生徒姓"},
		Given:        {"名", "Pupil Forename", "First Name", "given name"},
		Kana:         {"ふりがな", "フリガナ", "ﾌﾘｶﾞﾅ", "カナ", "よみがな", "氏名（カナ）", "氏名ふりがな", "児童氏名フリガナ", "カナ氏名", "氏名（ひらがな）", "フリガナ（全角カナ）", "カタカナ", "Kana", "Name (kana)", "Furigana", "読み"},
		SurnameKana:  {"姓（かな）", "姓カナ", "セイ"},
		GivenKana:    {"名（かな）", "名カナ", "メイ"},
		Groups:       {"グループ", "部活", "部活動", "クラブ", "委員会", "部活動名", "Groups", "Club", "通学班", "グループ2"},
		GuardianName: {"保護者", "保護者名", "保護者氏名", "保護者の氏名", "保護者1", "保護者１氏名", "保護者氏名２", "父氏名", "母", "Guardian", "Parent Name", "Guardian 2 Name", "緊急連絡先氏名", "第1連絡先氏名", "第2保護者", "保護者（父）氏名", "氏名（母）", "Parent/Guardian Name", "Parent/Guardian 1 Name", "Primary Contact Name", "Mom"},
		Relation:     {"続柄", "続き柄", "続柄1", "保護者2続柄", "間柄", "Relationship", "Guardian 1 Relation", "第1連絡先続柄", "第一連絡先との関係", "緊急連絡先１（続柄）", "続柄①", "児童との続柄", "電話番号1（続柄）", "Emergency Contact 1 Relationship"},
		Phone:        {"電話", "電話番号", "TEL", "携帯", "携帯1", "携帯電話番号", "電話番号（携帯）", "自宅電話", "保護者1電話", "母携帯", "緊急連絡先", "緊急連絡先1", "連絡先電話番号2", "Phone", "Mobile Phone", "Guardian 1 Phone", "電話②", "第1連絡先", "第一連絡先", "第２連絡先（電話番号）", "第1緊急連絡先", "緊急連絡先第1", "緊急時の連絡先", "連絡先①", "保護者連絡先1", "母の連絡先", "携帯（母）", "電話1（父）", "自宅TEL", "日中の連絡先", "Emergency Contact 1 Phone", "Parent / Guardian Phone", "Secondary Phone", "Dad's Phone"},
		Mail:         {"メール", "メールアドレス", "Ｅメール", "E-mail", "email address", "メール1", "メールアドレス２", "保護者1メール", "保護者２メールアドレス", "母メール", "連絡先メール", "Parent Email", "メールアドレス（必須）", "ﾒｰﾙｱﾄﾞﾚｽ", "Guardian 2 Email", "Parent/Guardian Email 1", "Secondary Contact Email", "Mum Email", "メール（母）", "第1メール", "第2保護者メール"},
		Ignored:      {"エラー", "Error"},
	}
	for field, headers := range tests {
		for _, text := range headers {
			t.Run(text, func(t *testing.T) {
				if h, ok := parseHeader(text); !ok || h.field != field {
					t.Errorf("is %q (%v), want %q", h.field, ok, field)
				}
			})
		}
	}
	for _, text := range []string{"", "住所", "性別", "生年月日", "備考", "No.", "保護者ふりがな", "母国語", "Birthday", "郵便番号", "Address", "12", "　", "第1学年", "第1", "第1希望", "Primary School", "祖母", "住所（母）", "父母", "secondary", "Dadaism", "第二外国語"} {
		t.Run("not used: "+text, func(t *testing.T) {
			if h, ok := parseHeader(text); ok {
				t.Errorf("is %q, want none", h.field)
			}
		})
	}
}

// A column is written as its field, and the guardian's index if it has one.
func TestColumns(t *testing.T) {
	tests := map[string]struct{ header, want string }{
		"children only":           {"学年,組,氏名", "grade class name"},
		"any order":               {"氏名,クラス,学年", "name class grade"},
		"one guardian":            {"組,氏名,保護者氏名,続柄,電話,メール", "class name guardian0 relation0 phone0 mail0"},
		"addresses alone":         {"組,氏名,メール1,メール2", "class name mail0 mail0"},
		"several of one guardian": {"組,氏名,保護者氏名,携帯1,携帯2,メール1,メール2", "class name guardian0 phone0 phone0 mail0 mail0"},
		"numbered guardians":      {"組,氏名,保護者1,保護者2,メール1,メール2,電話1,電話2", "class name guardian0 guardian1 mail0 mail1 phone0 phone1"},
		"number before the word":  {"組,氏名,保護者1氏名,保護者1メール1,保護者1メール2,保護者2メール", "class name guardian0 mail0 mail0 mail1"},
		"numbered relations":      {"組,氏名,続柄1,メール1,続柄2,メール2", "class name relation0 mail0 relation1 mail1"},
		"guardians side by side":  {"組,氏名,保護者氏名,続柄,メール,保護者氏名,続柄,メール", "class name guardian0 relation0 mail0 guardian1 relation1 mail1"},
		"mother and father":       {"組,氏名,母氏名,母携帯,母メール,父氏名,父メール", "class name guardian0 phone0 mail0 guardian1 mail1"},
		"the student's own":       {"組,氏名,保護者メール,生徒メール", "class name mail0 mail1"},
		"surname and given":       {"組,姓,名,保護者姓,保護者名", "class surname given guardian_surname0 guardian0"},
		"a child's surname":       {"組,児童姓,児童名,生徒姓カナ,生徒名カナ", "class surname given surname_kana given_kana"},
		"a name before a surname": {"組,お子様名,お子様姓", "class given surname"},
		"a name beside a surname": {"組,姓,児童氏名", "class surname name"},
		"an emergency number":     {"組,氏名,保護者氏名,緊急連絡先1,緊急連絡先2", "class name guardian0 phone0 phone0"},
		"a name twice":            {"組,氏名,氏名", "class name ignored"},
		"unknown columns":         {"組,氏名,住所,,性別", "class name ignored ignored ignored"},
		"the column of a mistake": {"エラー,組,氏名", "ignored class name"},
		"an emergency card":       {"組,氏名,第1連絡先,第1連絡先続柄,第2連絡先,第2連絡先続柄", "class name phone0 relation0 phone1 relation1"},
		"in kanji":                {"組,氏名,第一連絡先氏名,第一連絡先続柄,第一連絡先,第二連絡先氏名,第二連絡先", "class name guardian0 relation0 phone0 guardian1 phone1"},
		"parents in brackets":     {"組,氏名,携帯（母）,メール（母）,携帯（父）", "class name phone0 mail0 phone1"},
		"parent or guardian":      {"Class,Student Name,Parent/Guardian Name 1,Parent/Guardian Email 1,Parent/Guardian Name 2,Parent/Guardian Email 2", "class name guardian0 mail0 guardian1 mail1"},
		"emergency contacts":      {"Class,Name,Emergency Contact 1 Name,Emergency Contact 1 Phone,Emergency Contact 2 Name,Emergency Contact 2 Phone", "class name guardian0 phone0 guardian1 phone1"},
		"primary and secondary":   {"Class,Name,Primary Contact Name,Primary Contact Email,Secondary Contact Name,Secondary Contact Email", "class name guardian0 mail0 guardian1 mail1"},
		"third address of nobody": {"組,氏名,保護者1,保護者2,メール3", "class name guardian0 guardian1 mail1"},
		"English":                 {"Grade,Class,Seat,Student Name,Guardian 1 Name,Guardian 1 Email,Guardian 2 Email,Clubs", "grade class seat name guardian0 mail0 mail1 groups"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sheet := &Sheet{Rows: []Row{{1, strings.Split(tt.header, ",")}}}
			c, err := sheet.Columns(nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(c); got != tt.want {
				t.Errorf("columns are %q, want %q", got, tt.want)
			}
		})
	}
}

func describe(c *Columns) string {
	var ss []string
	for _, col := range c.All {
		s := string(col.Field)
		if col.Guardian >= 0 {
			s += string(rune('0' + col.Guardian))
		}
		ss = append(ss, s)
	}
	return strings.Join(ss, " ")
}

func TestColumnsWithMapping(t *testing.T) {
	sheet := &Sheet{Rows: []Row{{1, []string{"なまえ欄", "くみ", "氏名", "ケイタイ", "２番目のメール"}}}}
	c, err := sheet.Columns(Mapping{
		"なまえ 欄": {Field: Name}, "クミ": {Field: ClassOf}, "氏名": {Field: Ignored},
		"２番目のメール": {Field: Mail, Guardian: 2}, "けいたい": {Field: Phone, Guardian: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describe(c), "name class ignored phone0 mail1"; got != want {
		t.Errorf("columns are %q, want %q", got, want)
	}
}

func TestColumnsBelowATitle(t *testing.T) {
	sheet := &Sheet{Rows: []Row{{1, []string{"令和8年度 名簿"}}, {3, []string{"組", "氏名"}}, {4, []string{"1-1", "山田"}}}}
	c, err := sheet.Columns(nil)
	if err != nil || c.Row != 1 {
		t.Errorf("headers in row %v (%v), want the second", c, err)
	}
}

func TestColumnsMissing(t *testing.T) {
	tests := map[string]struct{ header, words string }{
		"no name":     {"学年,組,メール", "name"},
		"no class":    {"氏名,メール", "class"},
		"no headers":  {"1,2,山田太郎", "Headers found: 1, 2, 山田太郎"},
		"given alone": {"組,名", "name"},
		"everything":  {"あ,い", "and “class”"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := (&Sheet{Rows: []Row{{1, strings.Split(tt.header, ",")}}}).Columns(nil)
			wantProblem(t, err, problem.Invalid, tt.words)
			if strings.Contains(err.Error(), "%!") {
				t.Error(err)
			}
		})
	}
}

func TestParseClass(t *testing.T) {
	tests := []struct{ grade, class, id, name string }{
		{"1", "2", "class-1-2", "1年2組"},
		{"１年", "２組", "class-1-2", "1年2組"},
		{"1年生", "1年2組", "class-1-2", "1年2組"},
		{"第1学年", "2クラス", "class-1-2", "1年2組"},
		{"一年", "2", "class-1-2", "1年2組"},
		{"", "1-2", "class-1-2", "1年2組"},
		{"", "１－２", "class-1-2", "1年2組"},
		{"", "1の2", "class-1-2", "1年2組"},
		{"", "一年2組", "class-1-2", "1年2組"},
		{"", "Grade 1 Class 2", "class-1-2", "1年2組"},
		{"Grade 1", "Class 2", "class-1-2", "1年2組"},
		{"3", "A", "class-3-a", "3年A組"},
		{"3", "a組", "class-3-a", "3年a組"},
		{"12", "1", "class-12-1", "12年1組"},
		{"2", "ひまわり学級", NewClass(2, "ひまわり学級").ID, "2年ひまわり学級"},
		{"", "ひまわり組", NewClass(0, "ひまわり").ID, "ひまわり組"},
		{"", "ひまわり", NewClass(0, "ひまわり").ID, "ひまわり組"},
		{"年長", "ばら組", NewClass(0, "年長ばら").ID, "年長ばら組"},
		{"1", "1年", "class-1", "1年"},
		{"", "組", NewClass(0, "組").ID, "組組"},
		{"", "1-Red", "class-1-red", "1年Red組"},
		{"", "1-Marigold", "class-1-marigold", "1年Marigold組"},
		{"", "五月", NewClass(0, "五月").ID, "五月組"},
	}
	for _, tt := range tests {
		t.Run(tt.grade+" "+tt.class, func(t *testing.T) {
			g, err := parseClass(tt.grade, tt.class)
			if err != nil {
				t.Fatal(err)
			}
			if g.ID != tt.id || g.Name != tt.name {
				t.Errorf("is %s %q, want %s %q", g.ID, g.Name, tt.id, tt.name)
			}
			if back, err := parseClass(number(g.Grade), classCell(g)); err != nil || back.ID != g.ID {
				t.Errorf("what an export says of it is read as %v (%v)", back, err)
			}
		})
	}
}

func TestParseClassRefuses(t *testing.T) {
	tests := map[string]struct{ grade, class, words string }{
		"nothing":            {"", "", "class is missing"},
		"contradiction":      {"2", "1年3組", "contradict"},
		"junior high":        {"中1", "2", "count on"},
		"grade 0":            {"0", "2", "number from 1 to 12"},
		"grade 13":           {"13", "2", "from 1 to 12"},
		"a Japanese date":    {"", "1月2日", "is a date"},
		"one in wide digits": {"1", "１月１２日", "is a date"},
		"an English date":    {"", "2-Jan", "is a date"},
		"the other order":    {"", "Jan-35", "is a date"},
		"one with a year":    {"1", "02-JAN-26", "is a date"},
		"a whole date":       {"", "2026/1/2", "is a date"},
		"an American one":    {"", "1/2/2026", "is a date"},
		"a date for both":    {"1月2日", "1月2日", "number from 1 to 12"},
		"a long name":        {"1", strings.Repeat("長", 101), "too long"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parseClass(tt.grade, tt.class)
			if err == nil {
				t.Fatal("no error")
			}
			wantProblem(t, err, problem.Invalid, tt.words)
		})
	}
}

func TestParsePhone(t *testing.T) {
	tests := map[string]struct {
		want     string
		repaired bool
	}{
		"090-1234-5678": {"090-1234-5678", false},
		"０９０－１２３４－５６７８": {"090-1234-5678", false},
		"090 1234 5678":    {"09012345678", false},
		"(03)1234-5678":    {"03-1234-5678", false},
		"03（1234）5678":     {"03(1234)5678", false},
		"090ー1234ー5678":    {"090-1234-5678", false},
		"9012345678":       {"09012345678", true},
		"90-1234-5678":     {"090-1234-5678", true},
		"312345678":        {"0312345678", true},
		"+81 90-1234-5678": {"+8190-1234-5678", false},
		"12345":            {},
		"090-1234-56789":   {},
		"母 090-1234-5678":  {},
		"abc":              {},
		"=1+1":             {},
	}
	for text, tt := range tests {
		t.Run(text, func(t *testing.T) {
			got, repaired, err := parsePhone(text)
			if (err != nil) != (tt.want == "") || got != tt.want || repaired != tt.repaired {
				t.Errorf("is %q, %v, %v, want %+v", got, repaired, err, tt)
			}
			if again, repaired, err := parsePhone(got); got != "" && (again != got || repaired || err != nil) {
				t.Errorf("%q is read again as %q, %v, %v", got, again, repaired, err)
			}
		})
	}
}
