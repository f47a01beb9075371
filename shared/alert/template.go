package alert

import (
	"context"
	"errors"
	"strings"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// Template is what a big button of a new alert says: an alert but for its audience
// and its times.
type Template struct {
	ID      string    `json:"id"`
	Name    lang.Text `json:"name"` // of the button
	Kind    Kind      `json:"kind"`
	Subject string    `json:"subject"`
	Body    string    `json:"body"`
}

// Limits of a school's templates.
const (
	// MaxTemplates is how many buttons can be told apart in a hurry.
	MaxTemplates = 8
	// MaxTemplateName is the most characters of a button's name, in each language.
	MaxTemplateName = 20
)

// Templates are a school's, in the order of its buttons.
type Templates struct {
	List     []Template `json:"list"`
	Revision int64      `json:"-"` // 0: the school has never changed the shipped ones
}

// ShippedTemplates are those of a school that has made none of its own. Each says
// in its first two lines what to do, and the same in English below.
func ShippedTemplates() []Template {
	return []Template{
		{
			ID: "weather", Name: lang.T("大雨・台風", "Heavy weather"), Kind: Notice,
			Subject: "悪天候による対応のお知らせ / Severe weather",
			Body: "天候が悪化しています。無理な外出は控えてください。\n登校・下校やお迎えについては、次の連絡をお待ちください。\n\n学校にいる児童生徒は、校内で待機します。学校への電話は、緊急の場合だけにしてください。\n\n" +
				"The weather is getting worse. Please do not set out in dangerous conditions.\nWait for our next message about coming to school and going home. Children who are at school stay inside.",
		},
		{
			ID: "home", Name: lang.T("下校・お迎え", "Going home"), Kind: Notice,
			Subject: "お迎えのお願い / Please collect your child",
			Body: "学校まで、お子さんのお迎えをお願いします。\nお迎えがあるまで、学校で安全にお預かりします。\n\n気をつけてお越しください。\n\n" +
				"Please collect your child from school.\nEvery child stays safely with us until somebody comes.",
		},
		{
			ID: "person", Name: lang.T("不審者", "Suspicious person"), Kind: Notice,
			Subject: "不審者情報 / Suspicious person near the school",
			Body: "学校の近くで、不審者の情報がありました。警察に連絡しています。\nお子さんを一人で外に出さないでください。\n\n見かけたときは近づかず、110番に通報してください。\n\n" +
				"A suspicious person was reported near the school. The police know.\nDo not let your child go out alone. If you see somebody, keep away and call 110.",
		},
		{
			ID: "safety", Name: lang.T("安否確認", "Safety check"), Kind: Safety,
			Subject: "安否確認 / Safety check",
			Body: "お子さんの状況を回答してください。\n回答は、ボタンを一つ押すだけです。\n\n電話は大変混み合います。できるだけ電話をかけずに回答してください。\n\n" +
				"Please tell us how your child is.\nIt takes one touch. The phone lines will be busy.",
		},
	}
}

func templatesKey(school string) table.Key {
	return table.Key{Partition: "school/" + school + "/templates", Sort: "templates"}
}

// Templates reads a school's templates: the shipped ones if it has none of its own.
func (s *Store) Templates(ctx context.Context, school string) (Templates, error) {
	var t Templates
	revision, err := s.read(ctx, templatesKey(school), &t)
	if errors.Is(err, ErrNotFound) {
		return Templates{List: ShippedTemplates()}, nil
	}
	t.Revision = revision
	return t, err
}

// Find returns the template of an id. It fails with ErrNotFound if there is none.
func (t Templates) Find(id string) (Template, error) {
	for _, one := range t.List {
		if one.ID == id {
			return one, nil
		}
	}
	return Template{}, ErrNotFound
}

// PutTemplates writes a school's templates in place of those of their Revision. It
// fails with what is wrong with one of them, or with a Conflict if another change
// came first.
func (s *Store) PutTemplates(ctx context.Context, school string, t Templates) error {
	if len(t.List) > MaxTemplates {
		return problem.New(problem.Conflict, "ボタンは%d個までです。使っていないものを削除してください。", "There can be %d buttons. Remove one that is not used.", MaxTemplates).In("name")
	}
	for i := range t.List {
		var wrong problem.List
		if t.List[i], wrong = t.List[i].tidy(); len(wrong) > 0 {
			return wrong
		}
	}
	err := table.Save(ctx, s.Table, templatesKey(school), t.Revision, t)
	if _, conflict := table.Conflict(err); conflict {
		return errTemplates.Because(err)
	}
	return err
}

var errTemplates = problem.New(problem.Conflict,
	"ほかの人が先にボタンを変更しました。一覧を開き直してから、もう一度変更してください。",
	"Somebody else changed the buttons first. Open the list again, then make your change.")

// tidy returns the template with line ends and blanks put right, and all that is
// wrong with it.
func (t Template) tidy() (Template, problem.List) {
	t.Name = lang.Text{JA: oneLine(t.Name.JA), EN: oneLine(t.Name.EN)}
	t.Subject, t.Body = oneLine(t.Subject), tidyBody(t.Body)
	var wrong problem.List
	if e := checkLine(t.Name.JA, MaxTemplateName, "ボタンの名前", "the name"); e != nil {
		wrong = append(wrong, e.In("name"))
	}
	if t.Name.EN == "" {
		t.Name.EN = t.Name.JA
	}
	if e := checkLine(t.Name.EN, MaxTemplateName, "ボタンの英語の名前", "the English name"); e != nil && len(wrong) == 0 {
		wrong = append(wrong, e.In("name_en"))
	}
	return t, append(wrong, Draft{Kind: t.Kind, Subject: t.Subject, Body: t.Body}.checkText()...)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func tidyBody(s string) string {
	return strings.TrimSpace(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s))
}
