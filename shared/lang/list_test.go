package lang_test

import (
	"testing"

	"github.com/todoku/todoku/shared/lang"
)

func TestList(t *testing.T) {
	got := lang.List([]lang.Text{lang.T("一", "one"), lang.T("二", "two"), lang.T("三", "three")})
	if want := lang.T("一、二、三", "one, two, three"); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := lang.Names([]string{"山", "川"}), lang.T("山、川", "山, 川"); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := lang.List(nil); got != (lang.Text{}) {
		t.Errorf("%+v of nothing", got)
	}
}
