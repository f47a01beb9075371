package roster

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/todoku/todoku/shared/id"
)

const (
	demoChildren = 300
	demoGrades   = 3
	demoClasses  = 3 // in each grade
)

// Demo returns a class list, as a school office has it, and the school that it is
// of: about 300 children in 9 classes, siblings, families with two addresses,
// children without any, two clubs. The same seed gives the same.
//
// All of it is made up. The domains are those of real operators, so that every
// lane is seen at work, and the local parts are marked as no person's; mail to
// them must go to the built-in inbox and nowhere else.
func Demo(seed uint64) (csv []byte, school School) {
	d := &demo{rand: rand.New(rand.NewPCG(seed, 0x70d0c0)), taken: map[string]bool{}}
	for len(d.children) < demoChildren {
		d.family()
	}
	return d.csv(), d.school()
}

func (d *demo) school() School {
	var b [16]byte
	for i := range b {
		b[i] = byte(d.rand.Uint32())
	}
	b[0] = 1 // keeps the time in it in the past
	return School{
		ID: id.FromBytes(b), Name: "見本市立とどく中学校", NameEN: "Todoku Sample Junior High School",
		Mail: "renraku@todoku-jhs.example.jp", Phone: "03-0000-0000", Zone: "Asia/Tokyo",
	}
}

// demo makes up families.
type demo struct {
	rand     *rand.Rand
	children []demoChild
	taken    map[string]bool // a class's names
	phones   int
	mails    int
	domains  []string // what is left of the deck
}

type demoChild struct {
	grade, class int
	name, kana   string
	club         string
	guardians    []demoGuardian
}

type demoGuardian struct{ name, relation, phone, mail string }

// named is a name and its reading.
type named struct{ name, kana string }

var (
	demoSurnames = []named{{"見本", "みほん"}, {"青空", "あおぞら"}, {"大波", "おおなみ"}, {"花野", "はなの"}, {"星川", "ほしかわ"}, {"月岡", "つきおか"},
		{"風間", "かざま"}, {"雪村", "ゆきむら"}, {"虹ヶ丘", "にじがおか"}, {"森永田", "もりながた"}, {"海老沢", "えびさわ"}, {"泉山", "いずみやま"},
		{"朝霧", "あさぎり"}, {"夕凪", "ゆうなぎ"}, {"春日野", "かすがの"}, {"夏目坂", "なつめざか"}, {"秋津", "あきつ"}, {"冬木", "ふゆき"},
		{"桜庭", "さくらば"}, {"梅沢", "うめざわ"}, {"竹之内", "たけのうち"}, {"松風", "まつかぜ"}, {"楓原", "かえではら"}, {"柚木", "ゆずき"},
		{"髙嶺", "たかみね"}, {"浜﨑", "はまさき"}, {"雨宮", "あまみや"}, {"霧島", "きりしま"}, {"光岡", "みつおか"}, {"鈴掛", "すずかけ"}}
	demoGiven = []named{{"太郎", "たろう"}, {"花子", "はなこ"}, {"陽菜", "ひな"}, {"蓮", "れん"}, {"結衣", "ゆい"}, {"湊", "みなと"}, {"葵", "あおい"},
		{"悠真", "ゆうま"}, {"凛", "りん"}, {"大和", "やまと"}, {"さくら", "さくら"}, {"颯太", "そうた"}, {"美咲", "みさき"}, {"翔", "しょう"},
		{"莉子", "りこ"}, {"陸", "りく"}, {"心春", "こはる"}, {"樹", "いつき"}, {"楓", "かえで"}, {"晴", "はる"}, {"真央", "まお"}, {"蒼", "あお"},
		{"彩花", "あやか"}, {"健太", "けんた"}, {"千尋", "ちひろ"}, {"光", "ひかる"}}
	demoMothers = []string{"幸子", "直美", "恵", "由美", "香織", "裕子", "真由美", "久美子", "智子", "明美"}
	demoFathers = []string{"一郎", "誠", "浩", "健一", "学", "大輔", "隆", "直樹", "哲也", "修"}
	demoClubs   = []string{"吹奏楽部", "サッカー部"}
)

// shares are of 100 addresses how many each domain has: an assumption, made to
// look like the guardians of a Japanese school.
var shares = []struct {
	domain string
	of100  int
}{
	{"gmail.com", 40}, {"docomo.ne.jp", 15}, {"icloud.com", 12}, {"me.com", 1}, {"ezweb.ne.jp", 5}, {"au.com", 4},
	{"softbank.ne.jp", 5}, {"i.softbank.jp", 2}, {"ymobile.ne.jp", 2}, {"yahoo.co.jp", 8}, {"ymail.ne.jp", 1},
	{"outlook.jp", 1}, {"hotmail.co.jp", 1}, {"rakumail.jp", 1}, {"nifty.com", 1}, {"todoku-jhs.example.jp", 1},
}

// deck returns the domains of 100 addresses in random order.
func deck(r *rand.Rand) []string {
	var domains []string
	for _, s := range shares {
		domains = append(domains, slices.Repeat([]string{s.domain}, s.of100)...)
	}
	r.Shuffle(len(domains), func(i, j int) { domains[i], domains[j] = domains[j], domains[i] })
	return domains
}

func (d *demo) mail() string {
	if len(d.domains) == 0 {
		d.domains = deck(d.rand)
	}
	d.mails++
	domain := d.domains[0]
	d.domains = d.domains[1:]
	return fmt.Sprintf("todoku-demo-%04d@%s", d.mails, domain)
}

func (d *demo) phone() string {
	d.phones++
	return fmt.Sprintf("090-0000-%04d", d.phones)
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// family adds a family: one to three children in different grades.
func (d *demo) family() {
	surname := pick(d.rand, demoSurnames)
	guardians := d.guardians(surname.name)
	grades := d.rand.Perm(demoGrades)
	for i := range 1 + d.more(0.24) + d.more(0.05) {
		given, class := d.given(surname, grades[i])
		c := demoChild{grade: grades[i] + 1, class: class, name: surname.name + " " + given.name, kana: surname.kana + " " + given.kana, guardians: guardians}
		if d.rand.Float64() < 0.25 {
			c.club = pick(d.rand, demoClubs)
		}
		d.children = append(d.children, c)
	}
}

func (d *demo) more(share float64) int {
	if d.rand.Float64() < share {
		return 1
	}
	return 0
}

// given picks a name and a class in which nobody has it.
func (d *demo) given(surname named, grade int) (named, int) {
	for {
		given, class := pick(d.rand, demoGiven), 1+len(d.children)%demoClasses
		key := fmt.Sprint(grade, class, surname.name, given.name)
		if !d.taken[key] {
			d.taken[key] = true
			return given, class
		}
	}
}

// guardians makes up who answers: of 100 families 2 have no address, 18 have one
// guardian with two, 20 have two guardians with one each.
func (d *demo) guardians(surname string) []demoGuardian {
	mother := demoGuardian{surname + " " + pick(d.rand, demoMothers), "母", d.phone(), ""}
	father := demoGuardian{surname + " " + pick(d.rand, demoFathers), "父", d.phone(), ""}
	switch n := d.rand.IntN(100); {
	case n < 2:
		return []demoGuardian{mother}
	case n < 20:
		mother.mail = d.mail() + "、" + d.mail()
		return []demoGuardian{mother}
	case n < 40:
		mother.mail, father.mail = d.mail(), d.mail()
		return []demoGuardian{mother, father}
	case n < 60:
		father.mail = d.mail()
		return []demoGuardian{father}
	}
	mother.mail = d.mail()
	return []demoGuardian{mother}
}

func (d *demo) csv() []byte {
	slices.SortStableFunc(d.children, func(a, b demoChild) int {
		return cmp.Or(a.grade-b.grade, a.class-b.class, strings.Compare(a.kana, b.kana))
	})
	w := &sheetWriter{comma: ','}
	w.row([]string{"学年", "組", "出席番号", "学籍番号", "氏名", "ふりがな", "部活動",
		"保護者1", "続柄1", "電話1", "メール1", "保護者2", "続柄2", "電話2", "メール2"})
	seats := map[[2]int]int{}
	for i, c := range d.children {
		class := [2]int{c.grade, c.class}
		seats[class]++
		w.row(c.cells(seats[class], i+1))
	}
	return []byte(w.b.String())
}

func (c demoChild) cells(seat, serial int) []string {
	cells := []string{strconv.Itoa(c.grade), strconv.Itoa(c.class), strconv.Itoa(seat), fmt.Sprintf("T%04d", serial), c.name, c.kana, c.club}
	for _, g := range c.guardians {
		cells = append(cells, g.name, g.relation, g.phone, g.mail)
	}
	return append(cells, make([]string, 15-len(cells))...)
}
