package alert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// Draft is an alert as somebody wants to send it.
type Draft struct {
	ID          string `json:"-"` // of the alert to be made; "": a new one
	School      string
	Kind        Kind
	Subject     string
	Body        string
	Choices     []Choice // none: DefaultChoices
	Groups      []string // group ids, grades as they are; ignored if All
	All         bool
	Audience    string // the groups' names, as staff read them
	UsefulUntil time.Time
	RemindAfter time.Duration
	RemindEvery time.Duration `json:",omitempty"`
	RemindTimes int           `json:",omitempty"`
	TellMissing bool          `json:"-"`          // by the school's settings, not by who sends
	Follows     string        `json:",omitempty"` // id of the open alert of which only those are told who have not answered it
	Supersedes  string        // id of the alert that this one replaces, or ""
	Undo        time.Duration // for how long it can be taken back; 0 where no person watches
	Sender      Sender
	// Glass holds the alert: for Undo, or for as long as it is useful if Glass.Second.
	Glass *Glass `json:",omitempty"`
}

// acceptMemory is for how long a repeated request is recognised.
const acceptMemory = 24 * time.Hour

// Tidy returns the draft with line ends and blanks put right, and all that is
// wrong with it.
func (d Draft) Tidy(now time.Time) (Draft, problem.List) {
	d.Subject, d.Body = oneLine(d.Subject), tidyBody(d.Body)
	if len(d.Choices) == 0 {
		d.Choices = DefaultChoices(d.Kind)
	}
	var l problem.List
	l = append(l, d.checkText()...)
	l = append(l, d.checkChoices()...)
	l = append(l, d.checkTimes(now)...)
	if !d.All && len(d.Groups) == 0 {
		l = append(l, problem.New(problem.Invalid, "送り先のグループを一つ以上選んでください。", "Choose at least one group to send to.").In("groups"))
	}
	if len(d.Groups) > MaxGroups {
		l = append(l, problem.New(problem.Invalid, "グループは%d個までです。「全校」を選んでください。", "At most %d groups: choose the whole school instead.", MaxGroups).In("groups"))
	}
	return d, l
}

func (d Draft) checkText() problem.List {
	var l problem.List
	switch d.Kind {
	case Notice, Safety, Drill:
	default:
		l = append(l, problem.New(problem.Invalid, "種類（お知らせ・安否確認・訓練）を選んでください。", "Choose a kind: notice, safety or drill.").In("kind"))
	}
	if e := checkLine(d.Subject, MaxSubject, "件名", "the subject"); e != nil {
		l = append(l, e.In("subject"))
	}
	if e := checkLine(withoutBreaks(d.Body), MaxBody, "本文", "the text"); e != nil {
		l = append(l, e.In("body"))
	}
	return l
}

func withoutBreaks(s string) string { return strings.NewReplacer("\n", "", "\t", "").Replace(s) }

// checkLine checks a piece of text that people wrote: not empty, not too long,
// no control characters, and none that turn the direction of writing around,
// with which a text can be made to read as another.
func checkLine(s string, limit int, ja, en string) *problem.Error {
	switch n := utf8.RuneCountInString(s); {
	case !strings.ContainsFunc(s, legible):
		return problem.New(problem.Invalid, "%[1]sを入力してください。", "Enter %[2]s.", ja, en)
	case n > limit:
		return problem.New(problem.Invalid, "%[1]sは%[3]d文字までです（いま%[4]d文字）。短くしてください。", "Shorten %[2]s: it has %[4]d characters, at most %[3]d are possible.", ja, en, limit, n)
	case !utf8.ValidString(s):
		return problem.New(problem.Invalid, "%[1]sの文字コードが正しくありません。もう一度入力してください。", "Enter %[2]s again: it is not valid UTF-8.", ja, en)
	case strings.ContainsFunc(s, unprintable):
		return problem.New(problem.Invalid, "%[1]sに使えない制御文字が含まれています。貼り付けではなく、直接入力してください。", "Type %[2]s instead of pasting it: it contains control characters.", ja, en)
	}
	return nil
}

// legible reports whether a character alone says something: blanks, those without width and
// what stands for lost ones (U+FFFD) do not.
func legible(r rune) bool {
	return !unicode.IsSpace(r) && r != utf8.RuneError &&
		!unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

func unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

func (d Draft) checkChoices() problem.List {
	var l problem.List
	if len(d.Choices) > MaxChoices {
		l = append(l, problem.New(problem.Invalid, "回答の選択肢は%d個までです。", "Offer at most %d answers.", MaxChoices).In("choices"))
	}
	seen, said := map[string]bool{}, map[string]bool{}
	for _, c := range d.Choices {
		text := oneLine(c.JA)
		if e := checkLine(c.JA, MaxChoiceText, "回答の選択肢", "the answer"); e != nil {
			l = append(l, e.In("choices"))
		}
		if c.ID == "" || seen[c.ID] || said[text] {
			l = append(l, problem.New(problem.Invalid, "同じ選択肢が二つあります。片方を消してください。", "Two of the answers are the same: remove one.").In("choices"))
		}
		seen[c.ID], said[text] = true, true
	}
	return l
}

func (d Draft) checkTimes(now time.Time) problem.List {
	var l problem.List
	switch start := now.Add(d.Undo); {
	case d.UsefulUntil.IsZero():
		l = append(l, problem.New(problem.Invalid, "この連絡がいつまで有効か（有効期限）を入力してください。", "Say until when the alert is useful.").In("useful_until"))
	case !d.UsefulUntil.After(start):
		l = append(l, problem.New(problem.Invalid, "有効期限が過ぎています。これからの時刻を入力してください。", "Choose a time to come: until then the alert is useful.").In("useful_until"))
	case d.Kind == Drill && d.UsefulUntil.After(start.Add(MaxDrill)):
		l = append(l, problem.New(problem.Invalid, "訓練の有効期限は、%d時間以内にしてください。", "A drill is over within %d hours: choose an earlier time.", int(MaxDrill.Hours())).In("useful_until"))
	case d.UsefulUntil.After(start.Add(MaxUseful)):
		l = append(l, problem.New(problem.Invalid, "有効期限は%d日以内にしてください。", "Choose a time within %d days: until then the alert is useful.", int(MaxUseful.Hours()/24)).In("useful_until"))
	}
	if d.RemindAfter < 0 || d.RemindAfter > MaxUseful {
		l = append(l, problem.New(problem.Invalid, "再通知までの時間が正しくありません。分の数で入力してください。", "Enter the minutes until the reminder.").In("remind_after"))
	}
	return append(l, d.checkRounds()...)
}

func (d Draft) checkRounds() problem.List {
	var l problem.List
	if d.RemindTimes < 0 || d.RemindTimes > MaxReminders {
		l = append(l, problem.New(problem.Invalid, "再送は%d回までです。", "At most %d reminders are possible.", MaxReminders).In("remind_times"))
	}
	if d.RemindEvery != 0 && (d.RemindEvery < MinRemindEvery || d.RemindEvery > MaxUseful) {
		l = append(l, problem.New(problem.Invalid, "再送の間隔は、%d分以上にしてください。", "Leave at least %d minutes between reminders.", int(MinRemindEvery.Minutes())).In("remind_every"))
	}
	return l
}

// Accept makes an alert of a draft, durably: when it returns without an error the
// alert will go out even if the power fails now. The same key within a day gives
// the same alert again, and made is false; with another draft it is a Conflict.
func (s *Store) Accept(ctx context.Context, d Draft, key string) (a Alert, made bool, err error) {
	now := s.Now().UTC()
	digest := d.digest()
	if a, err := s.Repeated(ctx, d, key); err == nil || !errors.Is(err, ErrNotFound) {
		return a, false, err
	}
	d, wrong := d.Tidy(now)
	if len(wrong) > 0 {
		return Alert{}, false, wrong
	}
	if d.ID == "" {
		d.ID = s.IDs.New()
	}
	a = d.alert(d.ID, now)
	a.Revision = 1
	made = true
	err = table.Again(func() error {
		ops, err := s.acceptOps(ctx, a, key, digest)
		if err != nil {
			return err
		}
		err = s.Table.Write(ctx, "", ops...)
		if _, conflict := table.Conflict(err); !conflict {
			return err
		}
		first, repeatedErr := s.repeated(ctx, d.School, key, digest)
		if errors.Is(repeatedErr, ErrNotFound) {
			return err
		}
		a, made = first, false
		return repeatedErr
	})
	return a, made && err == nil, err
}

func (d Draft) alert(id string, now time.Time) Alert {
	starts := now.Add(d.Undo)
	if d.Glass != nil && d.Glass.Second {
		starts = d.UsefulUntil.UTC()
	}
	return Alert{
		ID: id, School: d.School, Kind: d.Kind, Subject: d.Subject, Body: d.Body,
		Choices: d.Choices, Groups: d.Groups, All: d.All, Audience: d.Audience, Sender: d.Sender,
		Accepted: now, Starts: starts, UsefulUntil: d.UsefulUntil.UTC(),
		RemindAfter: d.RemindAfter, RemindEvery: d.RemindEvery, RemindTimes: d.RemindTimes, TellMissing: d.TellMissing,
		Follows: d.Follows, Supersedes: d.Supersedes, Glass: d.Glass,
	}
}

// digest tells one draft from another, as the person sent it: what the groups are
// called is not of the person's making.
func (d Draft) digest() string {
	d.Audience = ""
	sum := sha256.Sum256(table.Encode(d))
	return hex.EncodeToString(sum[:])
}

// accepted remembers a request.
type accepted struct {
	Alert  string `json:"alert"`
	Digest string `json:"digest"`
}

func acceptKey(school, key string) table.Key {
	sum := sha256.Sum256([]byte(key))
	return table.Key{Partition: "school/" + school + "/accepts", Sort: hex.EncodeToString(sum[:])}
}

// Repeated returns the alert that an earlier request with the key made of the same
// draft. It fails with ErrNotFound if there was no such request, and with a
// Conflict if that was of another draft.
func (s *Store) Repeated(ctx context.Context, d Draft, key string) (Alert, error) {
	return s.repeated(ctx, d.School, key, d.digest())
}

func (s *Store) repeated(ctx context.Context, school, key, digest string) (Alert, error) {
	var was accepted
	if key == "" {
		return Alert{}, ErrNotFound
	}
	if _, err := s.read(ctx, acceptKey(school, key), &was); err != nil {
		return Alert{}, err
	}
	if was.Digest != digest {
		return Alert{}, problem.New(problem.Conflict,
			"同じ送信番号（Idempotency-Key）で、内容の違う連絡がすでに送られています。新しい番号で送ってください。",
			"Another alert was already sent with this Idempotency-Key. Use a new key.").In("Idempotency-Key")
	}
	return s.Alert(ctx, was.Alert)
}

// openAlert is what the tick's list holds of an alert.
type openAlert struct {
	School string `json:"school"`
}

func (s *Store) acceptOps(ctx context.Context, a Alert, key, digest string) ([]table.Op, error) {
	ref := table.Encode(openAlert{School: a.School})
	ops := []table.Op{
		table.Create{Key: alertKey(a.ID), Value: table.Encode(a)},
		table.Create{Key: table.Key{Partition: schoolAlerts(a.School), Sort: a.ID}, Value: ref},
		table.Create{Key: table.Key{Partition: openPart, Sort: a.ID}, Value: ref},
	}
	if key != "" {
		ops = append(ops, table.Create{
			Key:     acceptKey(a.School, key),
			Value:   table.Encode(accepted{Alert: a.ID, Digest: digest}),
			Expires: a.Accepted.Add(acceptMemory).Truncate(time.Second),
		})
	}
	if a.Follows != "" {
		if err := s.followable(ctx, a); err != nil {
			return nil, err
		}
	}
	if a.Supersedes == "" {
		return ops, nil
	}
	old, err := s.replaceable(ctx, a)
	old.Successor = a.ID
	return append(ops, table.Replace{Key: alertKey(old.ID), Revision: old.Revision, Value: table.Encode(old)}), err
}

// followable says why a cannot be for those who have not answered the alert that it
// follows, if so.
func (s *Store) followable(ctx context.Context, a Alert) error {
	old, err := s.Alert(ctx, a.Follows)
	switch {
	case errors.Is(err, ErrNotFound) || err == nil && old.School != a.School:
		return problem.New(problem.Invalid, "もとの連絡が見つかりません。", "The alert that this one follows was not found.").In("follows")
	case err != nil:
		return err
	case SameWorld(old.Kind, a.Kind) != nil:
		return SameWorld(old.Kind, a.Kind)
	case a.Supersedes != "":
		return problem.New(problem.Invalid, "差し替えの連絡は、回答がない家庭だけには送れません。", "An alert that replaces another is for everybody.").In("follows")
	case old.State(s.Now()) != StateOpen:
		return problem.New(problem.Conflict,
			"もとの連絡は回答受付中ではないため、回答がない家庭だけには送れません。送り先を選んで送ってください。",
			"The alert that this one follows is not open any more. Choose whom to send to.").In("follows")
	}
	return nil
}

// replaceable returns the alert that a is to replace, or says why it cannot.
func (s *Store) replaceable(ctx context.Context, a Alert) (Alert, error) {
	old, err := s.Alert(ctx, a.Supersedes)
	switch {
	case errors.Is(err, ErrNotFound) || err == nil && old.School != a.School:
		return old, problem.New(problem.Invalid, "置き換える連絡が見つかりません。", "The alert to be replaced was not found.").In("supersedes")
	case err != nil:
		return old, err
	case SameWorld(old.Kind, a.Kind) != nil:
		return old, SameWorld(old.Kind, a.Kind)
	case old.SupersededBy != "":
		return old, problem.New(problem.Conflict,
			"この連絡は、すでに新しい連絡に置き換えられています。新しいほうを開いてください。",
			"This alert has already been replaced by a newer one. Open that one.").In("supersedes")
	case old.Ending == Undone:
		return old, problem.New(problem.Conflict, "この連絡は取り消されているため、置き換えられません。", "This alert was undone, so it cannot be replaced.").In("supersedes")
	}
	return old, s.succeeded(ctx, old)
}

// succeeded says that an alert is about to replace old, if so: two that replace the same
// one would both be open.
func (s *Store) succeeded(ctx context.Context, old Alert) error {
	next, err := s.Alert(ctx, old.Successor)
	switch {
	case errors.Is(err, ErrNotFound) || err == nil && next.withdrawn():
		return nil
	case err != nil:
		return err
	}
	return problem.New(problem.Conflict,
		"この連絡を置き換える別の連絡が、送信を待っています。連絡の一覧でそちらを確認し、不要なら取り消してから、もう一度送ってください。",
		"Another alert waits to be sent that replaces this one. Look at it in the list of alerts: if it is not wanted, undo it and send yours again.").In("supersedes")
}

// Supersede ends the alert that a replaces, if any. It happens when a starts, not
// when it is accepted: an alert that ends before must leave the old one as it was.
func (s *Store) Supersede(ctx context.Context, a Alert) error {
	if a.Supersedes == "" || a.withdrawn() {
		return nil
	}
	_, err := s.change(ctx, a.Supersedes, func(old *Alert) (bool, error) {
		if old.SupersededBy != "" {
			return false, nil
		}
		if old.Ending == "" {
			old.Ended = s.Now().UTC()
		}
		old.Ending, old.SupersededBy = Superseded, a.ID
		return true, nil
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

func schoolAlerts(school string) string { return "school/" + school + "/alerts" }

// Newest follows the alerts that replaced a, and returns the last.
func (s *Store) Newest(ctx context.Context, a Alert) (Alert, error) {
	const longest = 50 // replacements of replacements
	for range longest {
		if a.SupersededBy == "" {
			break
		}
		next, err := s.Alert(ctx, a.SupersededBy)
		if err != nil {
			return a, err
		}
		a = next
	}
	return a, nil
}

// List returns a school's alerts, newest first, and where to go on ("": the end).
func (s *Store) List(ctx context.Context, school, after string, limit int) ([]Alert, string, error) {
	page, err := s.Table.Query(ctx, table.Query{Partition: schoolAlerts(school), After: after, Limit: limit, Reverse: true})
	if err != nil {
		return nil, "", err
	}
	alerts, err := s.listed(ctx, page)
	return alerts, page.Next, err
}

// listed reads the alerts whose ids a page of a list has as sort keys.
func (s *Store) listed(ctx context.Context, page table.Page) ([]Alert, error) {
	alerts := make([]Alert, 0, len(page.Items))
	for some := range slices.Chunk(page.Items, table.MaxOps) {
		keys := make([]table.Key, len(some))
		for i := range some {
			keys[i] = alertKey(some[i].Sort)
		}
		items, err := s.Table.GetMany(ctx, keys...)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			if item.Revision == 0 {
				return nil, ErrNotFound
			}
			a := Alert{}
			if err := json.Unmarshal(item.Value, &a); err != nil {
				return nil, fmt.Errorf("alert: item %s: %w", item.Key, err)
			}
			a.Revision = item.Revision
			alerts = append(alerts, a)
		}
	}
	return alerts, nil
}
