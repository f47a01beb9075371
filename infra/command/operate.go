package command

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/spf13/cobra"

	"github.com/todoku/todoku/infra/found"
	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/infra/move"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/dead"
	"github.com/todoku/todoku/shared/format"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/keep"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/staff"
)

// invoke runs one function on an event from a file, and prints its answer.
func (p *Program) invoke() *cobra.Command {
	c := &cobra.Command{
		Use: "invoke [flags] FUNCTION FILE", Short: p.say("関数を1つ、ファイルのイベントで実行", "run one function on an event"),
		Long: p.say("AWSならきっかけとなるイベントを、ファイルから読んで、関数fanout・dispatch・inbound・tickのどれかに渡し、その答えを表示します。eventsフォルダーに見本があります。メールは外に出ないので、架空の学校のフォルダーか、空のフォルダーでだけ使えます。届くを止めてから使います。",
			"Reads an event as a trigger on AWS would send it from FILE, gives it to one of the functions fanout, dispatch, inbound and tick, and prints the answer. The folder events holds samples. No mail leaves the machine, so it works only on a folder with the demo school, or an empty one. Stop Todoku first."),
		Example: "  todoku invoke dispatch events/dispatch.json",
		Args:    p.exactly("FUNCTION", "FILE"), ValidArgsFunction: words("fanout", "dispatch", "inbound", "tick"),
	}
	data := p.dataFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		event, err := os.ReadFile(args[1])
		if err != nil {
			return err
		}
		return p.withMachine(*data, func(m *machine.Machine) error {
			if err := invocable(c.Context(), m); err != nil {
				return err
			}
			answer, err := call(c.Context(), m, args[0], event)
			if err != nil {
				return err
			}
			return p.json(answer)
		})
	}
	return c
}

// errReal says why invoke does nothing.
var errReal = problem.New(problem.Invalid,
	"invokeは、架空の学校のフォルダーか、空のフォルダーでだけ使えます。このフォルダーには学校のデータがあり、メールが外に出ないまま、送信済みと記録されてしまいます。--data で別のフォルダーを指定してください。",
	"invoke works only on a folder with the demo school, or an empty one. This folder holds a school's data: mails would be recorded as sent and would not leave. Give another folder with --data.")

// invocable refuses a folder of a real school: what invoke sends goes nowhere.
func invocable(ctx context.Context, m *machine.Machine) error {
	demo, err := m.OnlyDemo(ctx)
	if err == nil && !demo {
		err = errReal
	}
	return err
}

func (p *Program) json(v any) error {
	out := json.NewEncoder(p.Stdout)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

func call(ctx context.Context, m *machine.Machine, function string, event []byte) (any, error) {
	if function == "tick" {
		var e events.CloudWatchEvent
		if err := strict(event, &e); err != nil {
			return nil, err
		}
		return struct{}{}, m.Tick(ctx)
	}
	var e events.SQSEvent
	if err := strict(event, &e); err != nil {
		return nil, err
	}
	return m.Invoke(ctx, function, e)
}

// strict decodes an event and refuses what its type does not have.
func strict(event []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(event))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return problem.New(problem.Invalid, "ファイルの中身は、その関数のイベントではありません（%[1]v）。", "The file does not hold such an event (%[1]v).", err)
	}
	return nil
}

// withMachine opens a machine on a free port, calls f and closes it.
func (p *Program) withMachine(data string, f func(m *machine.Machine) error) error {
	m, err := machine.New(machine.Config{Addr: "127.0.0.1:0", Data: data, Log: p.log(true)})
	if err != nil {
		return err
	}
	return errors.Join(f(m), m.Close())
}

// backup copies the database of a folder, whether Todoku runs on it or not.
func (p *Program) backup() *cobra.Command {
	c := &cobra.Command{
		Use: "backup [flags] FILE", Short: p.say("データベースの控えを取る", "copy the database, running or not"),
		Long: p.say("データベースをFILEに書き写します。届くが動いていても止まっていても使えます。FILEは、すべてを書き終えてから現れ、末尾に検査用の印が付きます。氏名・連絡先・鍵を含むので、大切に保管してください。AWSでは、テーブルそのものの復元機能を使います。",
			"Writes a copy of the database to FILE, whether Todoku runs or not. FILE, which must not exist, appears when it is whole, and is sealed with a digest. It holds names, addresses and keys: keep it safe. On AWS the table itself can be put back to any second."),
		Example: "  todoku backup --data /var/lib/todoku /backup/todoku-$(date +%F)",
		Args:    p.exactly("FILE"),
	}
	data := p.dataFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return machine.NewOperator(*data).Backup(c.Context(), args[0])
	}
	return c
}

// restore puts a copy of the database back.
func (p *Program) restore() *cobra.Command {
	c := &cobra.Command{
		Use: "restore [flags] FILE", Short: p.say("控えを空のフォルダーに戻す", "put a copy back, into an empty folder"),
		Long: p.say("backupで書いたFILEを調べ、問題がなければ、データベースのないフォルダーに戻します。今あるデータベースには上書きしません。",
			"Checks FILE, which backup wrote, and puts it into a folder that holds no database. It never goes over one that is there."),
		Example: "  todoku restore --data /var/lib/todoku-again /backup/todoku-2026-04-01",
		Args:    p.exactly("FILE"),
	}
	data := p.dataFlag(c)
	c.RunE = func(_ *cobra.Command, args []string) error { return machine.NewOperator(*data).Restore(args[0]) }
	return c
}

// export writes everything to a file, to be moved elsewhere.
func (p *Program) export() *cobra.Command {
	c := &cobra.Command{
		Use: "export [flags] FILE", Short: p.say("移すために、すべてを書き出す", "write everything to a file, to be moved"),
		Long: p.say("1台から別の1台やAWSへ、またはその逆へ移すために、すべてをFILEに書き出し、件数と要約値を表示します。終わっていない連絡があると断ります。AWSから書き出すときは、署名鍵のシークレットを標準入力から渡します。FILEは氏名・連絡先・鍵を含みます。",
			"Writes everything to FILE, to be moved from one machine to another or to AWS, or back, and prints how many items there are and a digest of them. It refuses while an alert is open. From AWS, give it the secret with the keys that sign links on standard input. FILE holds names, addresses and keys."),
		Example: "  todoku export --data /var/lib/todoku all.todoku",
		Args:    p.exactly("FILE"),
	}
	data, table := p.dataFlag(c), p.tableFlag(c)
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		var sum move.Sum
		if *table == "" {
			sum, err = machine.NewOperator(*data).Export(c.Context(), args[0])
		} else {
			sum, err = p.fromCloud(c.Context(), *table, args[0])
		}
		return p.summed(sum, err)
	}
	return c
}

func (p *Program) fromCloud(ctx context.Context, table, file string) (sum move.Sum, err error) {
	keys, err := p.secret()
	if err != nil {
		return sum, err
	}
	store, err := p.Cloud(ctx, table)
	if err != nil {
		return sum, err
	}
	return move.ToFile(ctx, store, keys, time.Now(), file)
}

func (p *Program) summed(sum move.Sum, err error) error {
	if err == nil {
		_, err = fmt.Fprintln(p.Stdout, sum)
	}
	return err
}

// importAll puts an exported file into an empty place.
func (p *Program) importAll() *cobra.Command {
	c := &cobra.Command{
		Use: "import [flags] FILE", Short: p.say("書き出したファイルを空の場所に入れる", "put an exported file into an empty place"),
		Long: p.say("exportで書いたFILEを調べ、空のフォルダー、または空のテーブルに入れて、読み返し、件数と要約値を表示します。exportが表示したものと同じ行になるはずです。途中で切れたときは、もう一度行えば続きから終わります。",
			"Checks FILE, which export wrote, puts it into an empty folder or table, reads it back, and prints what export printed: the two lines must be the same. If it is cut off, give it again: it goes on."),
		Example: "  todoku import --data /var/lib/todoku all.todoku",
		Args:    p.exactly("FILE"),
	}
	data, table := p.dataFlag(c), p.tableFlag(c)
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		var sum move.Sum
		if *table == "" {
			sum, err = machine.NewOperator(*data).Import(c.Context(), args[0])
		} else {
			sum, err = p.toCloud(c.Context(), *table, args[0])
		}
		return p.summed(sum, err)
	}
	return c
}

func (p *Program) toCloud(ctx context.Context, table, file string) (sum move.Sum, err error) {
	f, err := os.Open(file)
	if err != nil {
		return sum, err
	}
	defer func() { _ = f.Close() }()
	store, err := p.Cloud(ctx, table)
	if err != nil {
		return sum, err
	}
	return move.In(ctx, f, store, false, time.Now)
}

// migrate brings stored data up to date.
func (p *Program) migrate() *cobra.Command {
	c := &cobra.Command{
		Use: "migrate [flags]", Short: p.say("データを新しい形式にする", "bring stored data up to date"),
		Long: p.say("新しい版に替えたあと、前の版が書いたデータを、今の形式に書き直します。届くが動いていても止まっていても使え、途中で止めても、もう一度行えば続きから終わります。1台で動いているとき以外は、連絡を残す日数も --keep-alerts で指定します。書き直す前も、途中も、届くはふだんどおり動きます。新しい版が書いたデータは、古い版では開けません。",
			"After an upgrade, rewrites what the version before wrote in today's form. It works whether Todoku runs or not, and what was cut off is finished when it is given again. Unless it asks a Todoku that runs, say with --keep-alerts for how long alerts are kept. Before it and meanwhile all works as ever. What a newer version has written to, an older one refuses to open."),
		Example: "  todoku migrate", Args: p.exactly(),
	}
	data, table := p.dataFlag(c), p.tableFlag(c)
	alerts := p.keepFlag(c, 0)
	c.RunE = func(c *cobra.Command, _ []string) error {
		rep, err := p.migrated(c.Context(), *data, *table, alerts)
		if err == nil {
			_, err = fmt.Fprintf(p.Stdout, p.say("形式%[1]dから%[2]dへ：%[3]d件を調べ、%[4]d件を書き直しました。\n", "format %[1]d to %[2]d: looked at %[3]d items, rewrote %[4]d\n"), rep.From, rep.To, rep.Looked, rep.Written)
		}
		return err
	}
	return c
}

func (p *Program) migrated(ctx context.Context, data, table string, alerts func() (time.Duration, error)) (rep format.Report, err error) {
	kept, err := alerts()
	if err != nil {
		return rep, err
	}
	if table == "" {
		return machine.NewOperator(data).Migrate(ctx, kept)
	}
	store, err := p.Cloud(ctx, table)
	if err != nil {
		return rep, err
	}
	return move.Migrate(ctx, store, kept)
}

const day = 24 * time.Hour

// keepFlag adds the flag that says for how long alerts are kept, and otherwise is if it is not
// given.
func (p *Program) keepFlag(c *cobra.Command, otherwise int) func() (time.Duration, error) {
	days := c.Flags().Int("keep-alerts", otherwise, p.say("連絡を残す`日数`（732から3660）", "`DAYS` for which alerts are kept, 732 to 3660"))
	return func() (time.Duration, error) {
		d := time.Duration(*days) * day
		if *days != otherwise && (d < keep.LeastAlerts || d > keep.MostAlerts) {
			return 0, problem.New(problem.Invalid, "--keep-alerts は、%[1]dから%[2]dまでの日数にしてください。", "--keep-alerts: from %[1]d to %[2]d days.", int(keep.LeastAlerts/day), int(keep.MostAlerts/day))
		}
		return d, nil
	}
}

// dead lists dead letters.
func (p *Program) dead() *cobra.Command {
	c := &cobra.Command{
		Use: "dead [flags] QUEUE", Short: p.say("処理をあきらめたものの一覧", "list what was given up"),
		Long: p.say("キュー（jobs・copies・mails、AWSではeventsも）で処理をあきらめたものを、1行に1つ、番号・時刻・試した回数・配送レーン・連絡または学校・理由の順に表示します。番号は、redriveで1つだけ戻すときに使います。1台では、動いている届くにたずねます。",
			"Lists what a queue (jobs, copies or mails; on AWS events, too) gave up, one a line: its number, when, how often it was tried, its lane, its alert or school, and why. The number names it for redrive. On one machine it asks the Todoku that runs."),
		Example: "  todoku dead copies",
		Args:    p.exactly("QUEUE"), ValidArgsFunction: words(dead.Queues...),
	}
	data, table, school := p.dataFlag(c), p.tableFlag(c), p.ofSchoolFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		letters, err := p.letters(c.Context(), *data, *table, args[0], *school)
		if err != nil {
			return err
		}
		return p.listDead(c.Context(), letters)
	}
	return c
}

// ofSchoolFlag adds the flag that chooses letters by their school.
func (p *Program) ofSchoolFlag(c *cobra.Command) *string {
	return c.Flags().String("school", "", p.say("この`学校`のものだけ（名前、またはdeadが表示した番号）。保護者からのメール、到着や不達の知らせなど、どの学校のものかわからないものは含まない", "only those of the `SCHOOL` of this name (or id, as dead prints it); not those of which nobody knows whose they are, such as mail of guardians and news of mails"))
}

// letters returns the dead letters of a queue, of one machine or of a deployment on AWS: those
// of the school of a name, of none: all.
func (p *Program) letters(ctx context.Context, data, table, queueName, school string) (queue.DeadLetters, error) {
	if table == "" {
		return machine.NewOperator(data).Letters(queueName, school), nil
	}
	if !slices.Contains(dead.Queues, queueName) {
		return nil, problem.New(problem.NotFound, "%[1]s というキューはありません。%[2]s のどれかです。", "There is no queue %[1]s: name one of %[2]s.", queueName, strings.Join(dead.Queues, ", "))
	}
	store, err := p.Cloud(ctx, table)
	if err != nil {
		return nil, err
	}
	return machine.LettersOf(ctx, store, (&dead.Store{Table: store, Now: time.Now}).Queue(queueName), school)
}

// deadPage is how many letters are asked for at once.
const deadPage = 100

func (p *Program) listDead(ctx context.Context, q queue.DeadLetters) error {
	for after := ""; ; {
		letters, err := q.ListDead(ctx, after, deadPage)
		if err != nil || len(letters) == 0 {
			return err
		}
		for _, l := range letters {
			alert, school := dead.Of(l.Message.Body)
			of := "-"
			switch {
			case alert != "":
				of = "alert " + alert
			case school != "":
				of = "school " + school
			}
			_, _ = fmt.Fprintf(p.Stdout, "%s\t%s\t%d receives\t%s\t%s\t%s\n", l.Handle, l.Died.UTC().Format(time.RFC3339), l.Receives, cmp.Or(l.Message.Group, "-"), of, cmp.Or(l.Reason, "-"))
			after = l.Handle
		}
	}
}

// redrive puts dead letters back into their queue.
func (p *Program) redrive() *cobra.Command {
	c := &cobra.Command{
		Use: "redrive [flags] QUEUE [LETTER...]", Short: p.say("あきらめたものを、もう一度試す", "try again what was given up"),
		Long: p.say("キュー（jobs・copies・mails、AWSではeventsも）であきらめたもののうち、deadが表示した番号LETTERのもの、または番号がなければすべてをキューに戻し、件数を表示します。AWSでは1分以内に戻ります。まずdeadで理由を調べ、原因を直してください。終わった連絡のものは、戻しても送られません。",
			"Puts back what a queue (jobs, copies or mails; on AWS events, too) gave up: those whose numbers, as dead prints them, are given as LETTER, or else all, and prints how many. On AWS they are back within a minute. Look at the reasons with dead first, and mend the cause. What belongs to an alert that is over is not sent again."),
		Example: "  todoku redrive copies\n  todoku redrive copies 17 18\n  todoku redrive --school 見本小学校 copies",
		Args:    p.atLeast("QUEUE"), ValidArgsFunction: words(dead.Queues...),
	}
	data, table, school := p.dataFlag(c), p.tableFlag(c), p.ofSchoolFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		letters, err := p.letters(c.Context(), *data, *table, args[0], *school)
		if err != nil {
			return err
		}
		n, err := letters.Redrive(c.Context(), args[1:]...)
		if errors.Is(err, queue.ErrInvalid) || err == nil && n == 0 && len(args) > 1 {
			err = machine.ErrNoLetter
		}
		if err == nil {
			_, err = fmt.Fprintf(p.Stdout, p.say("%d件を戻しました。\n", "%d put back\n"), n)
		}
		return err
	}
	return c
}

// verifyAudit reads the whole audit log and says whether it is whole.
func (p *Program) verifyAudit() *cobra.Command {
	c := &cobra.Command{
		Use: "verify-audit [flags]", Short: p.say("操作の記録が完全かを調べる", "check that the audit log is whole"),
		Long: p.say("すべての学校の操作の記録を読み、書き換えや欠けがないかを調べ、学校ごとの件数と、最後の封印を表示します。封印を控えておくと、あとで比べられます。届くが動いていても止まっていても使えます。",
			"Reads the audit logs of all schools, says what was changed or is missing, and prints how many entries each has and its last seal. Write the seal down to compare it later. It works whether Todoku runs or not."),
		Args: p.exactly(),
	}
	data, table := p.dataFlag(c), p.tableFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *table == "" {
			return p.sayAudit(machine.NewOperator(*data).VerifyAudit(c.Context()))
		}
		store, err := p.Cloud(c.Context(), *table)
		if err != nil {
			return err
		}
		return p.sayAudit(machine.VerifyAudit(c.Context(), store, time.Now))
	}
	return c
}

func (p *Program) sayAudit(reports []audit.Report, err error) error {
	if err != nil {
		return err
	}
	faults := 0
	for _, r := range reports {
		_, _ = fmt.Fprintf(p.Stdout, p.say("学校%s：記録%d件、封印%d日分", "school %s: %d entries, %d days sealed"), r.School, r.Entries, r.Days)
		if r.Last.Day != "" {
			_, _ = fmt.Fprintf(p.Stdout, p.say("、最後の封印は%s：%s", ", the last %s: %s"), r.Last.Day, r.Last.Hash)
		}
		_, _ = fmt.Fprintln(p.Stdout)
		for _, f := range r.Faults {
			_, _ = fmt.Fprintln(p.Stdout, "  "+f.Text().In(p.lang))
		}
		faults += len(r.Faults)
	}
	if faults > 0 {
		return problem.New(problem.Conflict, "操作の記録に、書き換えか欠けが%d件あります。", "the audit log is not whole: %d faults", faults)
	}
	return nil
}

// signIn prints a one-time sign-in link for a manager, or for somebody who looks after
// the district's schools. It makes the school and the person if they are not there.
func (p *Program) signIn() *cobra.Command {
	c := &cobra.Command{
		Use: "sign-in [flags] --school NAME --manager-mail ADDRESS", Short: p.say("一度だけ使えるサインイン用リンクを作る", "make a one-time sign-in link"),
		Long: p.say("管理者（または、地区の学校を見守る人）が24時間以内に一度だけ使えるリンクを表示します。学校や人がまだなければ作り、--from や --phone があれば、ある学校のものを直します。直接、または電話で伝えてください。1台では、動いている届くにたずねます。",
			"Prints a link that signs a manager, or somebody who looks after a district's schools, in once within 24 hours. The school and the person are made if they are not there yet; --from and --phone correct those of a school that is there. Hand it over in person or by phone. On one machine it asks the Todoku that runs."),
		Example: "  todoku sign-in --school 見本小学校 --manager-mail yamada@school.example.jp",
		Args:    p.exactly(),
	}
	data, table := p.dataFlag(c), p.tableFlag(c)
	var r found.Request
	f := c.Flags()
	if p.Cloud != nil {
		f.StringVar(&r.URL, "url", "", p.say("画面の`アドレス`（スタックの出力Web）。tableとともに", "`ADDRESS` of the pages, the stack's output Web; with table"))
	}
	f.StringVar(&r.School.Name, "school", "", p.say("学校の`名前`", "`NAME` of the school"))
	f.StringVar(&r.School.Mail, "from", "", p.say("連絡の送信元`アドレス`。新しい学校の場合、または直すとき", "mail `ADDRESS` that its alerts come from; of a new school, or to correct it"))
	f.StringVar(&r.School.Phone, "phone", "", p.say("`電話番号`。新しい学校の場合、または直すとき", "its phone `NUMBER`; of a new school, or to correct it"))
	f.StringVar(&r.School.Zone, "zone", "Asia/Tokyo", p.say("新しい学校の場合、`時間帯`", "its time `ZONE`; of a new school"))
	f.StringVar(&r.School.District, "district", "", p.say("新しい学校の場合、所属する`地区`", "its `DISTRICT`, if it belongs to one; of a new school"))
	f.StringVar(&r.Person.Name, "manager", "", p.say("新しい人の場合、`氏名`", "`NAME` of the person; of a new one"))
	f.StringVar(&r.Person.Mail, "manager-mail", "", p.say("その人の`アドレス`", "mail `ADDRESS` of the person"))
	office := f.Bool("for-district", false, p.say("管理者ではなく、地区のすべての学校を見守る人のため", "for somebody who looks after all schools of the school's district, not for a manager"))
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *office {
			r.Person.Role = staff.District
		}
		link, err := p.link(c.Context(), *data, *table, r)
		if err == nil {
			_, err = fmt.Fprintf(p.Stdout, "sign-in: %s\n", link)
		}
		return err
	}
	return c
}

func (p *Program) link(ctx context.Context, data, table string, r found.Request) (string, error) {
	if table == "" {
		return machine.NewOperator(data).SignIn(ctx, r)
	}
	if !strings.HasPrefix(r.URL, "https://") {
		return "", problem.New(problem.Invalid, "--url には、スタックの出力Webの、https:// で始まるアドレスを指定してください。", "Give --url the stack's output Web, which begins with https://.")
	}
	store, err := p.Cloud(ctx, table)
	if err != nil {
		return "", err
	}
	ids := id.NewSource(time.Now, rand.Reader)
	return found.Founder{Table: store, IDs: ids, Now: time.Now, Random: rand.Reader}.Link(ctx, r)
}

// maxSecret is the most that Secrets Manager keeps in a secret, in bytes.
const maxSecret = 64 << 10

// secret reads the keys that sign links from standard input.
func (p *Program) secret() ([]link.Key, error) {
	secret, err := io.ReadAll(io.LimitReader(p.Stdin, maxSecret))
	if err != nil {
		return nil, err
	}
	return parseKeys(secret)
}
