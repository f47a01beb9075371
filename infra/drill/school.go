package drill

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/encoding/japanese"
)

// Pupil is a row of a class list, and what it means.
type Pupil struct {
	Grade, Class, Seat int
	Number             string // the school's own
	Name               string
	Parents            []Parent
}

// Parent is a guardian in a row.
type Parent struct {
	Name, Relation, Phone string
	Pasted                string   // the cell for addresses, as people fill it in
	Addresses             []string // what it means
}

const classSize = 35

var (
	surnames = []string{"髙嶺", "浜﨑", "見本", "青空", "大波", "花野", "星川", "月岡", "風間", "雪村", "虹ヶ丘", "森永田", "海老沢"}
	given    = []string{"太郎", "花子", "陽菜", "蓮", "結衣", "湊", "葵"}
	domains  = []string{"gmail.com", "docomo.ne.jp", "icloud.com", "ezweb.ne.jp", "softbank.ne.jp", "yahoo.co.jp",
		"outlook.jp", "rakumail.jp", "nifty.com"}
)

// Pupils makes up n pupils, always the same: in classes of at most 35, in tens of
// whom the first two are siblings in different classes, with all that makes class
// lists hard.
func Pupils(n int) []Pupil {
	classes := (n + classSize - 1) / classSize
	pupils := make([]Pupil, n)
	for i := range pupils {
		surname := surnames[i/10%len(surnames)]
		pupils[i] = Pupil{
			Grade: i%classes/4 + 1, Class: i%classes%4 + 1, Seat: i/classes + 1, Number: fmt.Sprintf("D%04d", i),
			Name: fmt.Sprintf("%s %s", surname, given[i%len(given)]), Parents: parents(i, surname),
		}
		if i%10 == 1 {
			pupils[i].Parents = pupils[i-1].Parents
		}
	}
	return pupils
}

// parents makes up who answers for pupil i: in every way in which an address is
// written, one parent with two addresses, two with one each, one without any.
func parents(i int, surname string) []Parent {
	mother := Parent{Name: surname + " 幸子", Relation: "母", Phone: fmt.Sprintf("090-1000-%04d", i)}
	plain := fmt.Sprintf("drill-%04d@%s", i, domains[i%len(domains)])
	mother.Addresses, mother.Pasted = []string{plain}, plain
	switch {
	case i%50 == 7:
		mother.Addresses, mother.Pasted = nil, ""
	case i%20 == 2:
		mother.have(fmt.Sprintf("drill..%04d@docomo.ne.jp", i))
	case i%20 == 3:
		mother.have(fmt.Sprintf("drill.%04d.@ezweb.ne.jp", i))
	case i%20 == 4:
		mother.Pasted = fullWidth(plain)
	case i%20 == 5:
		mother.Pasted = "山田　幸子＜" + plain + "＞"
	case i%20 == 6:
		second := fmt.Sprintf("drill-%04d-pc@nifty.com", i)
		mother.Addresses, mother.Pasted = append(mother.Addresses, second), plain+"、"+second
	case i%20 == 8:
		father := Parent{Name: surname + " 誠", Relation: "父", Phone: fmt.Sprintf("080-1000-%04d", i)}
		father.have(fmt.Sprintf("drill-%04d-f@au.com", i))
		return []Parent{mother, father}
	}
	return []Parent{mother}
}

func (p *Parent) have(address string) { p.Addresses, p.Pasted = []string{address}, address }

// fullWidth writes ASCII as Japanese keyboards do when nobody looks.
func fullWidth(s string) string {
	return strings.Map(func(r rune) rune { return r + '！' - '!' }, s)
}

// Addresses returns the addresses of the pupils' parents, each once.
func Addresses(pupils ...Pupil) []string {
	var all []string
	for _, p := range pupils {
		for _, parent := range p.Parents {
			all = append(all, parent.Addresses...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

var header = []string{"学籍番号", "学年", "組", "出席番号", "氏名", "保護者1", "続柄1", "電話1", "メール1", "保護者2", "続柄2", "電話2", "メール2"}

// cells returns the pupil's row.
func (p Pupil) cells() []string {
	row := []string{p.Number, strconv.Itoa(p.Grade), strconv.Itoa(p.Class), strconv.Itoa(p.Seat), p.Name}
	for _, parent := range p.Parents {
		row = append(row, parent.Name, parent.Relation, parent.Phone, parent.Pasted)
	}
	return append(row, make([]string, len(header)-len(row))...)
}

// Sheet returns the class list as an office's spreadsheet saves it: Shift_JIS,
// CR LF.
func Sheet(pupils []Pupil) []byte {
	rows := [][]string{header}
	for _, p := range pupils {
		rows = append(rows, p.cells())
	}
	return write(rows)
}

func write(rows [][]string) []byte {
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	if err := w.WriteAll(rows); err != nil {
		panic(err) // a strings.Builder takes everything
	}
	sjis, err := japanese.ShiftJIS.NewEncoder().String(b.String())
	if err != nil {
		panic(err) // the names above all have a place in it
	}
	return []byte(sjis)
}
