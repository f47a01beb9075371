package drill

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// witness notes the failures of a drill instead of failing.
type witness struct {
	testing.TB
	failures []string
}

func (w *witness) Errorf(format string, args ...any) {
	w.failures = append(w.failures, fmt.Sprintf(format, args...))
}

// delivered is an operator that has taken these mails.
type delivered []Mail

func (d delivered) Mails() []Mail                { return d }
func (delivered) Decide(func(to string) Verdict) {}

func TestUnexpectedMailFails(t *testing.T) {
	a, b := Mail{Subject: "s", To: "a@example.jp"}, Mail{Subject: "s", To: "b@example.jp"}
	for _, c := range []struct {
		name  string
		came  delivered
		fails bool
	}{
		{"as expected", delivered{a}, false},
		{"one too many", delivered{a, b}, true},
		{"one twice", delivered{a, a}, true},
		{"one that did not come", delivered{}, true},
		{"another subject", delivered{{Subject: "t", To: a.To}}, true},
	} {
		w := &witness{TB: t}
		d := &Drill{TB: w, System: System{Operator: c.came}, expected: map[envelope]int{a.envelope(): 1}}
		d.checkMails()
		if fails := len(w.failures) > 0; fails != c.fails {
			t.Errorf("%s: %q", c.name, w.failures)
		}
	}
}

func TestLogFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		log   func(*slog.Logger)
		fails bool
	}{
		{"a warning", func(l *slog.Logger) { l.Warn("wait") }, false},
		{"an error", func(l *slog.Logger) { l.Error("broken") }, true},
		{"an error that is allowed", func(l *slog.Logger) { l.Error("allowed") }, false},
		{"an address", func(l *slog.Logger) { l.Debug("sent", "to", "a@example.jp") }, true},
		{"an address kept with the logger", func(l *slog.Logger) { l.With("to", "a@example.jp").Info("sent") }, true},
	} {
		w := &witness{TB: t}
		d := &Drill{TB: w, log: &logbook{}}
		d.AllowErrors("allowed")
		c.log(slog.New(d.log))
		d.checkLog()
		if fails := len(w.failures) > 0; fails != c.fails {
			t.Errorf("%s: %q", c.name, w.failures)
		}
	}
}

// TestForm fills a form in and sends it, as browsers do.
func TestForm(t *testing.T) {
	const page = `<form action="/other"></form><form action="/send" method="post">
<input type="hidden" name="key" value="k"><input name="subject" value="s"><textarea name="body">
two
lines</textarea>
<input type="radio" name="kind" value="a"><input type="radio" name="kind" value="b" checked>
<input type="checkbox" name="all" value="1"><input type="checkbox" name="on" checked><input type="file" name="file">
<button>Go</button><button name="say" value="yes" formaction="/elsewhere?q=1">Say yes</button></form>`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = w.Write([]byte(page))
			return
		}
		_ = r.ParseForm()
		_, _ = fmt.Fprint(w, r.URL, " ", r.PostForm.Encode())
	}))
	t.Cleanup(s.Close)
	d := &Drill{TB: t, System: System{URL: s.URL}}
	open := func() *Form { return d.NewBrowser().Open("/").Form("/send").Set("subject", "new") }
	for words, want := range map[string]string{
		"Go":  "/send body=two%0Alines&key=k&kind=b&on=on&subject=new",
		"yes": "/elsewhere?q=1 body=two%0Alines&key=k&kind=b&on=on&say=yes&subject=new",
	} {
		if diff := cmp.Diff(want, open().Press(words).Body); diff != "" {
			t.Errorf("%s (-want +got):\n%s", words, diff)
		}
	}
}

// TestSheet says what the made-up school has in it: a scenario that relies on
// siblings must not run without any.
func TestSheet(t *testing.T) {
	pupils := Pupils(700)
	has := map[string]int{}
	for i, p := range pupils {
		switch addresses := Addresses(p); {
		case len(addresses) == 0:
			has["no route"]++
		case len(p.Parents) == 2:
			has["two parents"]++
		case len(addresses) == 2:
			has["two addresses"]++
		case p.Parents[0].Pasted != addresses[0]:
			has["written oddly"]++
		}
		if i > 0 && len(p.Parents) == 1 && p.Parents[0].Phone == pupils[i-1].Parents[0].Phone {
			has["siblings"]++
		}
	}
	want := map[string]int{"no route": 14, "two parents": 35, "two addresses": 35, "written oddly": 70, "siblings": 70}
	if diff := cmp.Diff(want, has); diff != "" {
		t.Errorf("the school (-want +got):\n%s", diff)
	}
}
