package web

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/todoku/todoku/shared/problem"
)

// Form is what a person typed. All of it can be shown again: a byte that is no
// text stands as U+FFFD, and Wrong says in which field.
type Form struct {
	url.Values
	Wrong problem.List
}

// ReadForm reads the fields of a posted form; the query has no part in it. It
// fails if the body is too large, cut off, or not a form. What is wrong with
// single fields is in Form.Wrong, for the handler to show beside its own findings.
func ReadForm(r *http.Request) (Form, error) {
	if err := parseBody(r); err != nil {
		return Form{}, err
	}
	f := Form{Values: r.PostForm}
	for name, values := range f.Values {
		f.mend(name, values)
	}
	return f, nil
}

func parseBody(r *http.Request) error {
	var err error
	switch t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t {
	case "multipart/form-data":
		err = r.ParseMultipartForm(MaxForm) //nolint:gosec // ReadForm has bounded the body
	default:
		err = r.ParseForm()
	}
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		return tooLarge.Because(err)
	case err != nil:
		return problem.New(problem.Invalid, "送られた内容を読み取れませんでした。前の画面に戻り、もう一度送信してください。",
			"What was sent could not be read. Go back and send it again.").Because(err)
	}
	return nil
}

// mend makes a field's values fit to be shown, and notes if they were not.
func (f *Form) mend(name string, values []string) {
	for i, v := range values {
		if utf8.ValidString(v) && !strings.Contains(v, "\x00") {
			continue
		}
		values[i] = strings.ReplaceAll(strings.ToValidUTF8(v, "\uFFFD"), "\x00", "\uFFFD")
		f.Wrong = append(f.Wrong, problem.New(problem.Invalid,
			"使えない文字（� の部分）が含まれています。消してから、もう一度入力してください。",
			"This contains characters that cannot be used, shown as �. Remove them and type them again.").In(name))
	}
}
