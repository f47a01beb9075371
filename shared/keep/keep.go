// Package keep says what is kept for how long and why: one table, which the documents
// show, and by which whatever belongs to an alert gets its end when it is written. The
// store removes what has ended: DynamoDB by itself, one machine in its sweep.
package keep

import (
	"context"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/table"
)

const day = 24 * time.Hour

// Alerts is for how long alerts are kept, counted from when they were sent, unless the
// operator says otherwise; and between what he can choose: a school year must be able to
// look back on the one before.
const (
	Alerts      = 3 * 366 * day
	LeastAlerts = 2 * 366 * day
	MostAlerts  = 10 * 366 * day
)

// Imports is for how long is kept what an import of a class list did.
const Imports = 366 * day

// Rule is a row of the table.
type Rule struct {
	What lang.Text
	// Where are the partitions: a star stands for one element of a name.
	Where []string
	Until lang.Text
	Why   lang.Text
	// Most is for how long an item is kept after it was last written. Of an alert's it is
	// Alerts. 0: until somebody or something removes it, which Until names.
	Most time.Duration
}

// Rules is the table. Each partition falls under the first rule that names it.
var Rules = []Rule{
	{
		What:  lang.T("拒否された通の調べ", "what is found out about refusals"),
		Where: []string{"alert/*/cases", "school/*/refused"}, Most: 180 * day,
		Until: lang.T("30日、連絡先の状態は180日", "30 days; the state of a contact 180"), Why: lang.T("直す人のため", "for those who mend it"),
	},
	{
		What:  lang.T("連絡の文面、家庭ごとの送信と回答、返信、電話の記録", "an alert's words, copies and answers by family, replies, calls"),
		Where: []string{"alert/*", "alert/*/*", "desk/*", "desk/*/*"}, Most: Alerts,
		Until: lang.T("送信から3年（-keep-alertsで2年から10年）", "3 years from sending (-keep-alerts: 2 to 10)"),
		Why: lang.T("何を伝えたかを、学校や保護者が確かめる必要がある期間（民法724条）。前年度との比較にも使う。数だけの集計は、個人を含まないため残す。",
			"as long as a school or a guardian may have to show what was told (Civil Code, art. 724), and to compare with the year before; counters hold no person and stay"),
	},
	{
		What:  lang.T("教育委員会が印刷した電話連絡の紙の控え", "what stood on call lists that a district printed"),
		Where: []string{"desk-papers/*", "desk-papers/*/*"}, Most: 90 * day,
		Until: lang.T("印刷から90日", "90 days from printing"), Why: lang.T("紙の結果を、番号であとから入力できるように。家庭の氏名や電話番号は含まない", "to key the paper in by row number; of families it holds ids only"),
	},
	{
		What:  lang.T("学校の連絡の一覧", "the list of a school's alerts"),
		Where: []string{"school/*/alerts"}, Most: Alerts,
		Until: lang.T("連絡と同じ", "with the alert"), Why: lang.T("連絡を開くため", "leads to the alert"),
	},
	{
		What:  lang.T("連絡ごとの集計", "an alert's figures"),
		Where: []string{"school/*/summaries", "school/*/silence"},
		Until: lang.T("終わりなし", "without end"), Why: lang.T("個人を含まない。年ごとの比較のため", "hold no person; for comparison over the years"),
	},
	{
		What:  lang.T("操作の記録", "the audit log"),
		Where: []string{"audit/*", "audit/*/*", "audit-seen/*"}, Most: 2 * 366 * day,
		Until: lang.T("2年", "2 years"), Why: lang.T("だれが何をしたかを、あとから確かめるため。保護者の氏名や連絡先は含まない", "to see who did what; it holds ids, and no guardian's name or address"),
	},
	{
		What:  lang.T("登録の申し込みと招待", "registrations and invitations"),
		Where: []string{"school/*/joins", "school/*/asked", "enrol/told"}, Most: 120 * day,
		Until: lang.T("30日のうちに確認、その後90日", "30 days to confirm, and 90 more"), Why: lang.T("招待のゆくえを学校が調べるため", "for the school to see what came of it"),
	},
	{
		What:  lang.T("登録用紙のコード", "codes of printed slips"),
		Where: []string{"code/*", "school/*/codes"}, Most: 90 * day,
		Until: lang.T("印刷から90日", "90 days from printing"), Why: lang.T("1学期のあいだ使えるように", "to work for a term"),
	},
	{
		What:  lang.T("登録状況の推移", "how many are reached, by day"),
		Where: []string{"school/*/reach"}, Most: 3 * 366 * day,
		Until: lang.T("3年", "3 years"), Why: lang.T("個人を含まない。学年の比較のため", "holds no person; to compare years"),
	},
	{
		What:  lang.T("取り込んだ名簿のファイル", "imported class lists"),
		Where: []string{"import/*"}, Most: 90 * day,
		Until: lang.T("24時間。始めた年度の更新では、終わるか取り消されるまで（途中で止まったときは、取り消せる期限まで）",
			"24 hours; of a turn of the year that was begun, until it is done or undone, or, if it stopped halfway, until it can be undone no longer"),
		Why: lang.T("確認してから取り込むあいだ。年度の更新は、途中で止まっても続けられるように", "between preview and import; so that half a turn of the year can be finished"),
	},
	{
		What:  lang.T("取り込みの結果", "what an import did"),
		Where: []string{"school/*/imports"}, Most: Imports,
		Until: lang.T("1年", "a year"), Why: lang.T("次の年度の更新まで見られるように", "to be seen until the next turn of the year"),
	},
	{
		What:  lang.T("年度の更新で離れた家庭", "families that left at the turn of the year"),
		Where: []string{"school/*/turn/*", "roster/turns"},
		Until: lang.T("管理者が選んだ14・30・90日のあと、時計が消す", "14, 30 or 90 days, as the manager chose; then the clock deletes them"), Why: lang.T("更新を取り消せるように", "so that the turn can be undone"),
	},
	{
		What:  lang.T("名簿：児童生徒・保護者・連絡先・家庭カード", "the roster: children, guardians, contacts, family cards"),
		Where: []string{"school/*/families", "school/*/in/*", "school/*/groups", "school/*/addresses", "school/*/numbers", "school/*/mapping", "card/*", "school/*/cards"},
		Until: lang.T("学校か保護者が消すまで、または年度の更新で離れるまで。保護者が消したアドレスは、終わった連絡と登録の申し込みからも消え、古いファイルで戻らないように照合用の値（アドレスそのものではないハッシュ）だけが家庭に残る。離れた保護者は、氏名と電話番号も消える", "until the school or the guardian deletes them, or they leave at the turn of the year; an address that a guardian deletes also leaves alerts that are over, and its registration, and the family keeps a digest of it, so that no old file brings it back; of a guardian who leaves, so do the name and the telephone"), Why: lang.T("連絡するため", "to tell them"),
	},
	{
		What:  lang.T("サインイン、端末、サインイン用のコード、トークンの期限", "sessions, known browsers, sign-in links and codes, tokens"),
		Where: []string{"session/*", "signin/*", "known/*", "ceremony/*", "token/*", "tokens-ending"}, Most: 395 * day,
		Until: lang.T("サインイン7日、端末180日、リンク24時間まで、トークン1年と30日", "sessions 7 days, browsers 180, links up to 24 hours, tokens a year and 30 days"), Why: lang.T("それぞれが効くあいだ", "as long as each works"),
	},
	{
		What:  lang.T("教職員", "staff"),
		Where: []string{"staff/*", "school/*/staff", "staffmail/*"},
		Until: lang.T("管理者が外すまで。名前は操作の記録のため残る", "until a manager removes them; the name stays for the audit log"), Why: lang.T("サインインと、操作の記録のため", "to sign in, and for the audit log"),
	},
	{
		What:  lang.T("試行の数、重複を防ぐ控え、動作確認", "limits, what keeps things from being done twice, proofs of health"),
		Where: []string{"limit/*/*", "memo/*", "school/*/accepts", "desk-lines/*", "desk-lines/*/*", "probe/*", "\x01health"}, Most: 400 * day,
		Until: lang.T("数分から、用が済んだ翌日まで", "minutes, or a day after their use"), Why: lang.T("一度だけ行うため", "to do things once"),
	},
	{
		What:  lang.T("処理をあきらめたもの", "what queues gave up"),
		Where: []string{"dead", "dead/*"}, Most: 14 * day,
		Until: lang.T("14日、または、もう一度処理するまで", "14 days, or until it is tried again"), Why: lang.T("原因を直して、もう一度処理するため", "to be tried again when the cause is mended"),
	},
	{
		What:  lang.T("仕事の順番", "what is to be done"),
		Where: []string{"open", "due", "enrol/due", "docket/due", "forget"},
		Until: lang.T("済むまで", "until it is done"), Why: lang.T("忘れないため", "to forget nothing"),
	},
	{
		What:  lang.T("設定と、システムの状態", "settings, and the state of the system"),
		Where: []string{"schools", "school/*/*", "settings", "format", "lane", "lane/unheard", "mailhosts", "account", "proof", "doctor", "heal", "enrol/*"},
		Until: lang.T("変えるまで", "until changed"), Why: lang.T("個人を含まない", "hold no person"),
	},
}

// Of returns the rule of a partition.
func Of(partition string) (Rule, bool) {
	for _, r := range Rules {
		for _, w := range r.Where {
			if matches(w, partition) {
				return r, true
			}
		}
	}
	return Rule{}, false
}

func matches(pattern, partition string) bool {
	for {
		p, morePattern, inPattern := strings.Cut(pattern, "/")
		e, more, in := strings.Cut(partition, "/")
		if p != "*" && p != e || inPattern != in {
			return false
		}
		if !in {
			return true
		}
		pattern, partition = morePattern, more
	}
}

// End returns when a record ends by its key: what belongs to an alert with it, what an
// import did with that; zero if it is none of those. alerts is for how long alerts are
// kept, 0: Alerts.
func End(key table.Key, alerts time.Duration) time.Time {
	if alerts == 0 {
		alerts = Alerts
	}
	of, life := "", alerts
	switch {
	case strings.HasPrefix(key.Partition, "alert/") || strings.HasPrefix(key.Partition, "desk/"):
		_, of, _ = strings.Cut(key.Partition, "/")
		of, _, _ = strings.Cut(of, "/")
	case strings.HasPrefix(key.Partition, "school/") && strings.HasSuffix(key.Partition, "/alerts"):
		of = key.Sort
	case strings.HasPrefix(key.Partition, "school/") && strings.HasSuffix(key.Partition, "/imports"):
		of, life = key.Sort, Imports
	}
	made := id.Time(of)
	if made.IsZero() {
		return made
	}
	return made.Add(life).Truncate(time.Second)
}

// Table is a store that gives what is written of alerts and imports its end. What has one of its own
// keeps it.
type Table struct {
	table.Table
	Alerts time.Duration // 0: Alerts
}

// Write implements table.Table.
func (t Table) Write(ctx context.Context, token string, ops ...table.Op) error {
	ended := make([]table.Op, len(ops))
	for i, op := range ops {
		switch o := op.(type) {
		case table.Create:
			o.Expires = t.end(o.Key, o.Expires)
			op = o
		case table.Replace:
			o.Expires = t.end(o.Key, o.Expires)
			op = o
		}
		ended[i] = op
	}
	return t.Table.Write(ctx, token, ended...)
}

func (t Table) end(key table.Key, own time.Time) time.Time {
	if own.IsZero() {
		return End(key, t.Alerts)
	}
	return own
}

// Rewrite gives what was written of them before form 2 its end: a step of a migration.
func (t Table) Rewrite(it table.Item) (table.Op, bool) {
	end := End(it.Key, t.Alerts)
	if it.Counts != nil || !it.Expires.IsZero() || end.IsZero() {
		return nil, false
	}
	return table.Replace{Key: it.Key, Revision: it.Revision, Value: it.Value, Expires: end}, true
}
