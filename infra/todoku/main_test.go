package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// build builds the program as go install does, and returns what runs it in a language.
func build(t *testing.T) func(lang string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "todoku")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return func(lang string, args ...string) (string, string, int) {
		var out, errs bytes.Buffer
		c := exec.CommandContext(t.Context(), program, args...)
		c.Stdout, c.Stderr, c.Dir = &out, &errs, t.TempDir()
		c.Env = append(os.Environ(), "LC_ALL="+lang)
		err := c.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return out.String(), errs.String(), c.ProcessState.ExitCode()
	}
}

// commands are those of the help.
var commands = []string{"run", "doctor", "invoke", "backup", "restore", "export", "import", "migrate", "redrive", "dead",
	"verify-audit", "sign-in", "keys", "bench", "version", "completion", "man", "help"}

// TestProgram asks the built program as an operator does.
func TestProgram(t *testing.T) {
	todoku := build(t)
	event, err := filepath.Abs("../../events/dispatch.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		args   []string
		ja, en string // a sentence of the answer
	}{
		{"unknown command", []string{"bakup"}, "「bakup」という操作はありません。「backup」のことですか。", "There is no command bakup. Do you mean backup?"},
		{"unknown command, like none", []string{"frobnicate"}, "一覧は todoku help", "There is no command frobnicate. See todoku help."},
		{"help of an unknown command", []string{"help", "bakup"}, "「backup」のことですか", "Do you mean backup?"},
		{"unknown flag", []string{"backup", "--date", "d", "f"}, "--data のことですか", "backup has no flag --date. Do you mean --data?"},
		{"unknown flag, nearly one", []string{"run", "-smpt", "smtp://127.0.0.1"}, "--smtp のことですか", "Do you mean --smtp?"},
		{"flag without its value", []string{"run", "--addr"}, "--addr のあとにホスト:ポートを書いてください", "--addr needs its HOST:PORT after it"},
		{"flag with a bad value", []string{"run", "--proof", "often"}, "--proof の値「often」は", `--proof: "often" is no TIME`},
		{"switch with a bad value", []string{"run", "-demo=maybe"}, "「maybe」は、真偽値（trueかfalse）として使えません", `"maybe" is no boolean, true or false`},
		{"unknown flag of no command", []string{"--frobnicate"}, "使い方は todoku help で見られます", "todoku has no flag --frobnicate. See todoku help."},
		{"argument is missing", []string{"backup"}, "FILE を指定してください", "Say which FILE. See todoku help backup."},
		{"argument too many", []string{"restore", "a", "b"}, "「b」は余分です", `"b" is one too many`},
		{"no school yet", []string{"run", "--addr", "127.0.0.1:0"}, "まだ学校がありません", "There is no school yet"},
		{"no phone number", []string{"run", "--addr", "127.0.0.1:0", "--school", "見本小学校", "--from", "anzen@school.example.jp", "--phone", "abc", "--manager", "山田花子", "--manager-mail", "yamada@school.example.jp"}, "「abc」は電話番号として読めません", `"abc" is no phone number`},
		{"address of no page", []string{"run", "--base-url", "todoku.school.example.jp", "--proof", "-5m"}, "メールのリンクが開けません", "Give --proof a time such as 1h, or 0 for none."},
		{"nothing runs", []string{"redrive", "copies"}, "動いている届くがありません", "Nothing runs on this folder"},
		{"no database", []string{"doctor"}, "ここにはデータベースがありません", "There is no database here"},
		{"no database to copy", []string{"backup", "--data", "none", "b"}, "none に、届くのデータベースはありません", "There is no database of Todoku in none"},
		{"no folder for a copy", []string{"backup", "nowhere/b"}, "nowhere がありません", "There is no nowhere. Check"},
		{"no such backup", []string{"restore", "/nonexist"}, "/nonexist がありません。", "There is no /nonexist."},
		{"nothing to export", []string{"export", "all"}, "data に、届くのデータベースはありません", "There is no database of Todoku in data"},
		{"no such function", []string{"invoke", "feedback", event}, "「feedback」という関数はありません", "There is no function feedback."},
		{"no such event", []string{"invoke", "dispatch", "/dev/null"}, "ファイルの中身は、その関数のイベントではありません", "The file does not hold such an event"},
		{"address of another machine", []string{"run", "--demo", "--addr", "192.0.2.1:8080"}, "192.0.2.1:8080 で待ち受けられません", "Cannot listen on 192.0.2.1:8080"},
		{"unknown shell", []string{"completion", "tcsh"}, "bash・zsh・fish", "Choose bash, zsh or fish"},
		{"AWS without its pages", []string{"sign-in", "--table", "t"}, "スタックの出力Web", "the stack's output Web"},
		{"unknown step", []string{"keys", "rotate"}, "add・promote・drop", "add, promote, drop"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for lang, want := range map[string]string{"ja_JP.UTF-8": tt.ja, "en_US.UTF-8": tt.en} {
				out, said, status := todoku(lang, tt.args...)
				if status != 1 || out != "" || !strings.Contains(said, want) {
					t.Errorf("%s: exit status %d, %q, want %q\n%s", lang, status, said, want, out)
				}
			}
		})
	}
	t.Run("help", func(t *testing.T) { testHelp(t, todoku) })
	t.Run("completion", func(t *testing.T) { testCompletion(t, todoku) })
	t.Run("manual page", func(t *testing.T) { testManual(t, todoku) })
	t.Run("service", func(t *testing.T) { testService(t, todoku) })
	t.Run("version", func(t *testing.T) {
		want, _, _ := todoku("en", "version")
		for _, asked := range []string{"version", "--version", "-version"} {
			if out, _, status := todoku("en", asked); status != 0 || !strings.HasPrefix(out, "todoku ") || out != want {
				t.Errorf("%s: exit status %d: %q", asked, status, out)
			}
		}
	})
}

func testHelp(t *testing.T, todoku func(string, ...string) (string, string, int)) {
	all, _, status := todoku("en", "help")
	if bare, _, s := todoku("en"); bare != all || s != 0 || status != 0 {
		t.Errorf("without a command: exit status %d, not the help:\n%s", s, bare)
	}
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z-]+) {2,}\S`).FindAllStringSubmatch(all, -1) {
		listed = append(listed, m[1])
	}
	if diff := cmp.Diff(commands, listed, cmp.Transformer("set", func(s []string) map[string]bool {
		m := map[string]bool{}
		for _, name := range s {
			m[name] = true
		}
		return m
	})); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	kana := regexp.MustCompile(`\p{Hiragana}`)
	for _, c := range commands {
		ja, _, s1 := todoku("ja", "help", c)
		en, _, s2 := todoku("en", c, "-h")
		if s1 != 0 || s2 != 0 || !strings.Contains(ja, "使い方\n  todoku "+c) || !strings.Contains(en, "Usage\n  todoku "+c) {
			t.Errorf("help %s: exit status %d and %d\n%s\n%s", c, s1, s2, ja, en)
		}
		if kana.MatchString(en) {
			t.Errorf("the English help of %s is not English:\n%s", c, en)
		}
		if again, _, _ := todoku("en", c, "--help", "--lang", "ja"); !kana.MatchString(again) {
			t.Errorf("%s --lang ja is not Japanese:\n%s", c, again)
		}
	}
}

func testCompletion(t *testing.T, todoku func(string, ...string) (string, string, int)) {
	for _, tt := range []struct{ typed, want string }{
		{"ver", "verify-audit version"},
		{"run --de", "--dead-man --demo"},
		{"redrive ", "copies events jobs mails"},
		{"invoke d", "dispatch"},
		{"completion ", "bash fish zsh"},
		{"help re", "redrive restore"},
	} {
		out, _, _ := todoku("en", append([]string{"__completeNoDesc"}, strings.Split(tt.typed, " ")...)...)
		var got []string
		for line := range strings.Lines(out) {
			if line = strings.TrimSpace(line); line != "" && line[0] != ':' {
				got = append(got, line)
			}
		}
		for _, w := range strings.Fields(tt.want) {
			if !strings.Contains(" "+strings.Join(got, " ")+" ", " "+w+" ") || len(got) != len(strings.Fields(tt.want)) {
				t.Errorf("%q: %q, want %q", tt.typed, got, tt.want)
			}
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script, _, status := todoku("en", "completion", shell)
		if status != 0 || !strings.Contains(script, "todoku") {
			t.Errorf("%s: exit status %d", shell, status)
		}
		if _, err := exec.LookPath(shell); err != nil {
			t.Logf("%s is not here: it has not read its script, which is cobra's", shell)
			continue
		}
		c := exec.CommandContext(t.Context(), shell, "-n")
		c.Stdin = strings.NewReader(script)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s does not read its script: %v\n%s", shell, err, out)
		}
	}
}

// testManual holds the page in docs to what the program says.
func testManual(t *testing.T, todoku func(string, ...string) (string, string, int)) {
	for lang, file := range map[string]string{"en": "todoku.1", "ja": "todoku.ja.1"} {
		page, _, _ := todoku(lang, "man")
		there, err := os.ReadFile(filepath.Join("../../docs", file))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(there), page); diff != "" {
			t.Errorf("docs/%s is not what the program says; write it anew: go run ./infra/todoku man --lang %s > docs/%s\n%s", file, lang, file, diff)
		}
		for _, c := range commands {
			if !strings.Contains(strings.ReplaceAll(page, `\-`, "-"), ".SS todoku "+c) {
				t.Errorf("%s says nothing of %s", file, c)
			}
		}
	}
}

// testService starts the program as the unit in docs does, as far as to what a first start
// lacks; and has systemd read the unit, where it is installed.
func testService(t *testing.T, todoku func(string, ...string) (string, string, int)) {
	unit, err := os.ReadFile("../../docs/todoku.service")
	if err != nil {
		t.Fatal(err)
	}
	_, start, found := strings.Cut(strings.ReplaceAll(string(unit), "\\\n", ""), "\nExecStart=/usr/local/bin/todoku ")
	start, _, _ = strings.Cut(start, "\n")
	if !found {
		t.Fatalf("the unit starts no todoku:\n%s", unit)
	}
	state, credentials := t.TempDir(), t.TempDir()
	args := strings.Fields(strings.NewReplacer("${STATE_DIRECTORY}", state, "${CREDENTIALS_DIRECTORY}", credentials).Replace(start))
	for content, want := range map[string]string{
		"": "The file of --smtp-file is empty.", "smtp://user:pass@127.0.0.1:587\n": "There is no school yet.",
	} {
		if err := os.WriteFile(filepath.Join(credentials, "relay"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, said, status := todoku("en", args...); status != 1 || !strings.Contains(said, want) {
			t.Errorf("%q: exit status %d, %q, want %q", args, status, said, want)
		}
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Log("systemd-analyze is not here: systemd has not read the unit")
		return
	}
	file := filepath.Join(t.TempDir(), "todoku.service")
	if err := os.WriteFile(file, bytes.ReplaceAll(unit, []byte("/usr/local/bin/todoku"), []byte("/bin/true")), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", file).CombinedOutput()
	if bytes.Contains(out, []byte("todoku.service:")) { // not what it says of the machine
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
