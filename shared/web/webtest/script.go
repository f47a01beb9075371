package webtest

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// step is one request of a script with the checks of its answer.
type step struct {
	line         int
	method, path string
	header, form [][2]string
	body         string
	checks       []check
}

// check is one thing that must hold.
type check struct {
	line    int
	capture string // the name to keep the match under; "" for a plain check
	what    string // code, body or header
	header  string // name of the header
	op      string
	value   string
	re      *regexp.Regexp
}

var methods = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true, "OPTIONS": true}

// parse reads a script. Errors begin with the line number.
func parse(text string) ([]step, error) {
	var steps []step
	fresh := true
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(line, "\r")
		switch {
		case strings.TrimSpace(line) == "":
			fresh = true
			continue
		case strings.HasPrefix(line, "#"):
			continue
		}
		if fresh {
			s, err := parseRequest(i+1, line)
			if err != nil {
				return nil, fmt.Errorf("%d: %w", i+1, err)
			}
			steps, fresh = append(steps, s), false
			continue
		}
		if err := steps[len(steps)-1].add(i+1, line); err != nil {
			return nil, fmt.Errorf("%d: %w", i+1, err)
		}
	}
	for _, s := range steps {
		if len(s.checks) == 0 {
			return nil, fmt.Errorf("%d: %s %s checks nothing", s.line, s.method, s.path)
		}
	}
	return steps, nil
}

func parseRequest(n int, line string) (step, error) {
	method, path, ok := strings.Cut(line, " ")
	if !ok || !methods[method] {
		return step{}, fmt.Errorf("want METHOD /path, have %q", line)
	}
	return step{line: n, method: method, path: path}, nil
}

// opWords lists ops in the order in which they are looked for: a longer one before its end.
var opWords = regexp.MustCompile(`^(code|body|header [A-Za-z0-9-]+) (==|!=|!contains|contains|!~|~)(?: (.*))?$`)

func (s *step) add(n int, line string) error {
	word, rest, _ := strings.Cut(line, " ")
	if m := opWords.FindStringSubmatch(line); m != nil {
		return s.addCheck(n, "", m)
	}
	switch word {
	case "capture":
		name, expr, _ := strings.Cut(rest, " ")
		m := opWords.FindStringSubmatch(expr)
		if m == nil || m[2] != "~" {
			return fmt.Errorf("want capture NAME WHAT ~ REGEXP, have %q", line)
		}
		return s.addCheck(n, name, m)
	case "header":
		name, value, ok := strings.Cut(rest, ": ")
		if !ok {
			return fmt.Errorf("want header NAME: VALUE, have %q", line)
		}
		s.header = append(s.header, [2]string{name, value})
	case "form":
		name, value, ok := strings.Cut(rest, "=")
		if !ok {
			return fmt.Errorf("want form NAME=VALUE, have %q", line)
		}
		value, err := unescape(value)
		s.form = append(s.form, [2]string{name, value})
		return err
	case "body":
		s.body = rest
	default:
		return fmt.Errorf("do not understand %q", line)
	}
	return nil
}

func (s *step) addCheck(n int, capture string, m []string) error {
	c := check{line: n, capture: capture, what: m[1], op: m[2], value: m[3]}
	if name, ok := strings.CutPrefix(c.what, "header "); ok {
		c.what, c.header = "header", name
	}
	if c.op == "~" || c.op == "!~" {
		re, err := regexp.Compile(c.value)
		if err != nil {
			return err
		}
		c.re = re
	}
	s.checks = append(s.checks, c)
	return nil
}

// unescape reads a form value: bytes that a text file cannot hold are written
// with a backslash.
func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i == len(s) {
			return "", errors.New("a backslash at the end of the line")
		}
		plain, known := map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', '0': 0, '\\': '\\'}[s[i]]
		switch {
		case known:
			b.WriteByte(plain)
		case s[i] == 'x' && i+2 < len(s):
			n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", err
			}
			b.WriteByte(byte(n))
			i += 2
		default:
			return "", fmt.Errorf("unknown escape \\%c", s[i])
		}
	}
	return b.String(), nil
}

// try returns how the check fails, "" if it holds; a capture that matches is
// put into vars.
func (c check) try(got answer, vars map[string]string) string {
	have := got.body
	switch c.what {
	case "code":
		have = strconv.Itoa(got.code)
	case "header":
		have = strings.Join(got.header.Values(c.header), ", ")
	}
	var match []string
	if c.re != nil {
		match = c.re.FindStringSubmatch(have)
	}
	if c.capture != "" && len(match) > 1 {
		vars[c.capture] = match[1]
		return ""
	}
	if holds(c, have, match) {
		return ""
	}
	return fmt.Sprintf("%s %s %s %s does not hold: code %d, have %s", c.what, c.header, c.op, c.value, got.code, shorten(have))
}

func holds(c check, have string, match []string) bool {
	switch c.op {
	case "==":
		return have == c.value
	case "!=":
		return have != c.value
	case "contains":
		return strings.Contains(have, c.value)
	case "!contains":
		return !strings.Contains(have, c.value)
	case "~":
		return c.capture == "" && match != nil
	default:
		return match == nil
	}
}

// shorten leaves of a page what its main part begins with.
func shorten(s string) string {
	const most = 600
	if i := strings.Index(s, "<main"); i > 0 {
		s = s[i:]
	}
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}
