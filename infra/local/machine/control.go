package machine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/todoku/todoku/infra/found"
	"github.com/todoku/todoku/infra/move"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/dead"
	"github.com/todoku/todoku/shared/format"
	"github.com/todoku/todoku/shared/journal"
	"github.com/todoku/todoku/shared/keep"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
	bolttable "github.com/todoku/todoku/shared/table/bbolt"
)

// SocketName is the name, in the data folder, of the socket on which a running
// Machine takes the operator's commands. Who may write to the folder may command.
const SocketName = "todoku.sock"

// control serves the commands of an operator while the Machine runs: the lock on
// the file keeps a second process from opening it. A backup is cut off when ctx ends, as it
// may take longer than a stop.
func (m *Machine) control(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /backup", func(w http.ResponseWriter, r *http.Request) {
		out := inTime{w, ctx}
		defer context.AfterFunc(ctx, out.end)()
		if err := m.Table.Backup(r.Context(), out); err != nil {
			m.cfg.Log.Error("backup cut off", "err", err)
			panic(http.ErrAbortHandler) // a cut connection does not pass for a whole backup
		}
	})
	for _, of := range []string{"", "/school/{school}"} { // a path of its own: a program of another version refuses it
		mux.HandleFunc("GET "+of+"/dead/{queue}", m.withDead(func(r *http.Request, q queue.DeadLetters) (any, error) {
			return q.ListDead(r.Context(), r.FormValue("after"), deadPage)
		}))
		mux.HandleFunc("POST "+of+"/dead/{queue}/redrive", m.withDead(func(r *http.Request, q queue.DeadLetters) (any, error) {
			return q.Redrive(r.Context(), r.URL.Query()["letter"]...)
		}))
	}
	mux.HandleFunc("GET /doctor", answer(func(r *http.Request) (any, error) { return m.Examine(r.Context()) }))
	mux.HandleFunc("POST /sign-in", answer(func(r *http.Request) (any, error) {
		var req found.Request
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			return nil, err
		}
		return m.Invite(r.Context(), req)
	}))
	mux.HandleFunc("POST /migrate", answer(func(r *http.Request) (any, error) {
		return move.Migrate(r.Context(), m.Table, cmp.Or(m.cfg.KeepAlerts, keep.Alerts))
	}))
	mux.HandleFunc("GET /audit", answer(func(r *http.Request) (any, error) {
		return VerifyAudit(r.Context(), m.Table, m.cfg.Now)
	}))
	return mux
}

// answer serves what f returns as JSON, or why it could not.
func answer(f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := f(r)
		if err != nil {
			v = refusal{problem.Of(err), err.Error()}
			w.WriteHeader(http.StatusInternalServerError)
		}
		_ = json.NewEncoder(w).Encode(v)
	}
}

// refusal says why a command was not done: in the languages of its Problems, which the command
// chooses from, and of what has no sentence for people by its Cause.
type refusal struct {
	Problems problem.List
	Cause    string
}

// refused returns what answer was refused with.
func refused(r io.Reader) error {
	const most = 64 << 10
	said, err := io.ReadAll(io.LimitReader(r, most))
	if err != nil {
		return err
	}
	var f refusal
	switch err := json.Unmarshal(said, &f); {
	case err != nil: // a program of another version runs
		return errors.New(string(said))
	case len(f.Problems) == 0 || f.Problems[0].Kind == problem.Internal:
		return errors.New(f.Cause)
	case len(f.Problems) == 1:
		return f.Problems[0]
	}
	return f.Problems
}

// stall is how long whoever takes a backup may take nothing of it: as long as one is read, no
// page that it needs is used again, and the file grows.
const stall = time.Minute

// inTime is an answer that is cut off if nobody takes it, or when running ends.
type inTime struct {
	http.ResponseWriter
	running context.Context
}

func (w inTime) Write(p []byte) (int, error) {
	if err := w.until(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	if err := w.running.Err(); err != nil { // its end may have come before the deadline was set
		return 0, err
	}
	return w.ResponseWriter.Write(p)
}

// end lets a Write that waits fail.
func (w inTime) end() { _ = w.until(time.Now()) } // without deadlines it waits for the grace of a stop

func (w inTime) until(t time.Time) error {
	return http.NewResponseController(w.ResponseWriter).SetWriteDeadline(t)
}

// Invite makes a one-time sign-in link, and the school and the person if they are not
// there yet.
func (m *Machine) Invite(ctx context.Context, r found.Request) (string, error) {
	r.URL = m.cfg.BaseURL
	f := found.Founder{Table: m.store, IDs: m.Alerts.IDs, Now: m.cfg.Now, Random: m.cfg.Random}
	return f.Link(ctx, r)
}

// VerifyAudit checks the audit logs of all schools.
func VerifyAudit(ctx context.Context, t table.Table, now func() time.Time) ([]audit.Report, error) {
	schools, err := (&roster.Store{Table: t, Now: now}).Schools(ctx)
	if err != nil {
		return nil, err
	}
	log := &audit.Log{Table: t, Now: now}
	var reports []audit.Report
	for _, s := range schools {
		r, err := log.Verify(ctx, s.ID)
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// deadPage is how many dead letters one answer lists.
const deadPage = 100

func (m *Machine) withDead(f func(r *http.Request, q queue.DeadLetters) (any, error)) http.HandlerFunc {
	return answer(func(r *http.Request) (any, error) {
		q, ok := m.queues()[r.PathValue("queue")]
		if !ok {
			return nil, problem.New(problem.NotFound, "%[1]s というキューはありません。%[2]s のどれかです。", "There is no queue %[1]s: name one of %[2]s.", r.PathValue("queue"), "jobs, copies, mails")
		}
		letters, err := LettersOf(r.Context(), m.Table, q, r.PathValue("school"))
		if err != nil {
			return nil, err
		}
		v, err := f(r, letters)
		if errors.Is(err, queue.ErrInvalid) {
			err = ErrNoLetter
		}
		return v, err
	})
}

// LettersOf returns those of a queue's letters that are of the school of a name; of none: all.
func LettersOf(ctx context.Context, t table.Table, q queue.DeadLetters, name string) (queue.DeadLetters, error) {
	if name == "" {
		return q, nil
	}
	schools, err := (&roster.Store{Table: t}).Schools(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range schools {
		if s.Name == name || s.ID == name {
			return dead.OfSchool(q, s.ID, &alert.Store{Table: t}), nil
		}
	}
	return nil, problem.New(problem.NotFound, "「%[1]s」という学校はありません。", "There is no school %[1]q.", name)
}

// ErrNoLetter says that no dead letter has the number that was named.
var ErrNoLetter = problem.New(problem.NotFound, "その番号のものはありません。番号は todoku dead で確かめてください。", "There is none of that number. See the numbers with todoku dead.")

// listenControl opens the socket. A machine that cannot have one, because the
// folder's path is too long for a socket or the file system has none, runs
// without: the commands then need it stopped.
func (m *Machine) listenControl() net.Listener {
	path := filepath.Join(m.cfg.Data, SocketName)
	_ = os.Remove(path) // of a process that was killed: the database's lock is ours
	l, err := net.Listen("unix", path)
	if err != nil {
		m.cfg.Log.Warn("no control socket: stop the program before a backup", "err", err)
		return nil
	}
	return l
}

// Operator gives an operator's commands: to the Machine that runs on a data
// folder, or, if none does, to the folder's files themselves.
type Operator struct {
	data string
	http *http.Client
}

// NewOperator returns an Operator of a data folder.
func NewOperator(data string) *Operator {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(data, SocketName))
	}
	return &Operator{data: data, http: &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Backup writes a copy of the database, running or not, to the file name, which
// must not exist. The file appears when it is whole.
func (o *Operator) Backup(ctx context.Context, name string) error {
	if _, err := os.Lstat(name); err == nil {
		return problem.New(problem.Conflict, "%[1]s は、すでにあります。別の名前を指定してください。", "%[1]s exists: choose another name.", name)
	}
	if _, err := os.Stat(filepath.Dir(name)); err != nil {
		return err // that of CreateTemp names a file that nobody knows
	}
	out, err := os.CreateTemp(filepath.Dir(name), ".todoku-backup-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(out.Name()) }()
	err = o.copyTo(ctx, out)
	if err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	if err := os.Rename(out.Name(), name); err != nil {
		return err
	}
	if err := noteBackup(o.data, defaultNow()); err != nil {
		return problem.New(problem.Internal, "控えは取れましたが、それをdoctorのために書き留められませんでした（%[1]v）。",
			"The backup is whole, but the doctor will not know of it (%[1]v).", err).Because(err)
	}
	return nil
}

func (o *Operator) copyTo(ctx context.Context, w io.Writer) error {
	body, err := o.ask(ctx, http.MethodGet, "/backup")
	if err == nil {
		defer func() { _ = body.Close() }()
		_, err = io.Copy(w, body)
		return err
	}
	if !errors.Is(err, errNotRunning) {
		return err
	}
	return o.withTable(func(t *bolttable.Table) error { return t.Backup(ctx, w) })
}

// Restore puts a backup into the data folder, which must not hold a database.
func (o *Operator) Restore(name string) error {
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return err
	}
	return bolttable.Restore(name, filepath.Join(o.data, FileName))
}

// Export writes everything to the file name, which must not exist, to be moved
// elsewhere. No Machine may run on the folder.
func (o *Operator) Export(ctx context.Context, name string) (sum move.Sum, err error) {
	err = o.withTable(func(t *bolttable.Table) error {
		sum, err = move.ToFile(ctx, t, nil, defaultNow(), name)
		return err
	})
	return sum, err
}

// Import puts what a file holds into the data folder, which must hold neither a database nor
// journals of one. The database appears when it is whole.
func (o *Operator) Import(ctx context.Context, name string) (sum move.Sum, err error) {
	path := filepath.Join(o.data, FileName)
	journals := journal.Paths(path)
	for _, name := range append(journals[:], path) {
		if _, err := os.Lstat(name); err == nil {
			return sum, move.ErrNotEmpty
		}
	}
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return sum, err
	}
	in, err := os.Open(name)
	if err != nil {
		return sum, err
	}
	defer func() { _ = in.Close() }()
	if _, _, err := move.Check(in); err != nil {
		return sum, err
	}
	work := filepath.Join(o.data, ".todoku-import")
	if err := errors.Join(os.RemoveAll(work), os.Mkdir(work, 0o700)); err != nil { // what one that was killed left
		return sum, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	err = (&Operator{data: work}).makeTable(func(t *bolttable.Table) error {
		sum, err = move.In(ctx, in, t, true, defaultNow)
		return err
	})
	if err == nil {
		err = bolttable.Place(filepath.Join(work, FileName), path)
	}
	return sum, err
}

// Letters are the dead letters of a queue of the Machine that runs on the folder: those of the
// school of a name, of none: all.
func (o *Operator) Letters(queueName, school string) queue.DeadLetters {
	path := "/dead/" + url.PathEscape(queueName)
	if school != "" {
		path = "/school/" + url.PathEscape(school) + path
	}
	return asked{o, path}
}

type asked struct {
	*Operator
	path string
}

// ListDead implements queue.DeadLetters; limit is a page of the Machine's.
func (a asked) ListDead(ctx context.Context, after string, _ int) (letters []queue.DeadLetter, err error) {
	err = a.json(ctx, http.MethodGet, a.path+"?after="+after, &letters)
	return letters, err
}

// Redrive implements queue.DeadLetters.
func (a asked) Redrive(ctx context.Context, handles ...string) (n int, err error) {
	err = a.json(ctx, http.MethodPost, a.path+"/redrive?"+url.Values{"letter": handles}.Encode(), &n)
	return n, err
}

// VerifyAudit checks the audit logs of all schools, running or not.
func (o *Operator) VerifyAudit(ctx context.Context) (reports []audit.Report, err error) {
	err = o.json(ctx, http.MethodGet, "/audit", &reports)
	if !errors.Is(err, errNotRunning) {
		return reports, err
	}
	err = o.withTable(func(t *bolttable.Table) error {
		reports, err = VerifyAudit(ctx, t, defaultNow)
		return err
	})
	return reports, err
}

// Migrate brings what is of an older form up to date, running or not. A Machine that
// runs knows for how long alerts are kept; otherwise alerts says it, 0: nobody does.
func (o *Operator) Migrate(ctx context.Context, alerts time.Duration) (rep format.Report, err error) {
	err = o.json(ctx, http.MethodPost, "/migrate", &rep)
	if !errors.Is(err, errNotRunning) {
		return rep, err
	}
	err = o.withTable(func(t *bolttable.Table) error {
		rep, err = move.Migrate(ctx, t, alerts)
		return err
	})
	return rep, err
}

// SignIn has the running Machine make a one-time sign-in link.
func (o *Operator) SignIn(ctx context.Context, r found.Request) (link string, err error) {
	asked, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	err = o.json(ctx, http.MethodPost, "/sign-in", &link, asked...)
	return link, err
}

// errNotRunning says that no Machine runs on the folder.
var errNotRunning = problem.New(problem.Conflict,
	"このフォルダーで動いている届くがありません。始めてから、もう一度お試しください（フォルダーは --data で指定します）。",
	"Nothing runs on this folder: start Todoku, then give the command again (--data names the folder).")

// errNotYours says that a Machine may run, and takes no command of whoever gives this one.
var errNotYours = problem.New(problem.Forbidden,
	"このフォルダーを使う権限がありません。届くを動かしているのと同じ利用者で、もう一度お試しください（例: sudo -u todoku todoku ...）。",
	"There is no permission for this folder. Give the command as the user who runs Todoku, for example: sudo -u todoku todoku ...")

// unasked returns why a Machine could not be asked.
func unasked(err error) error {
	var dial *net.OpError
	switch {
	case !errors.As(err, &dial) || dial.Op != "dial":
		return err
	case errors.Is(err, fs.ErrPermission):
		return errNotYours.Because(err)
	}
	return errNotRunning
}

func (o *Operator) json(ctx context.Context, method, path string, v any, body ...byte) error {
	got, err := o.ask(ctx, method, path, body...)
	if err != nil {
		return err
	}
	defer func() { _ = got.Close() }()
	return json.NewDecoder(got).Decode(v)
}

func (o *Operator) ask(ctx context.Context, method, path string, body ...byte) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://todoku"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := o.http.Do(req)
	if err != nil {
		return nil, unasked(err)
	}
	if res.StatusCode != http.StatusOK {
		defer func() { _ = res.Body.Close() }()
		return nil, refused(res.Body)
	}
	return res.Body, nil
}

// withTable opens the database of a folder on which no Machine runs.
func (o *Operator) withTable(f func(*bolttable.Table) error) error {
	_, err := os.Stat(filepath.Join(o.data, FileName)) // to open it would make it
	if errors.Is(err, os.ErrNotExist) {
		return problem.New(problem.NotFound, "%[1]s に、届くのデータベースはありません。--data でフォルダーを指定してください。", "There is no database of Todoku in %[1]s: name its folder with --data.", o.data).Because(err)
	}
	if err != nil {
		return err
	}
	return o.makeTable(f)
}

// makeTable is withTable, but makes the database if there is none.
func (o *Operator) makeTable(f func(*bolttable.Table) error) error {
	db, err := bolttable.Open(filepath.Join(o.data, FileName))
	if err != nil {
		return err
	}
	t, err := bolttable.New(db, defaultNow)
	if err == nil {
		err = f(t)
	}
	return errors.Join(err, db.Close())
}
