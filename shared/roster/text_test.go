package roster

import "testing"

func TestClean(t *testing.T) {
	tests := map[string]string{
		"":                         "",
		"山田 太郎":                    "山田 太郎",
		"　山田　　太郎\t\r\n":            "山田 太郎",
		" a":                       "a",
		"a ":                       "a",
		"a  b":                     "a b",
		"\u202e山\u200b田\ufeff\x00": "山田",
		"か\u3099":                  "が",
		"は\u309a\u3099":            "ぱ\u3099",
		"\u3099":                   "\u3099",
		"髙﨑㈱神":                     "髙﨑㈱神",
		"a\xffb":                   "ab",
	}
	for s, want := range tests {
		if got := clean(s); got != want {
			t.Errorf("clean(%q) = %q, want %q", s, got, want)
		}
		if again := clean(want); again != want {
			t.Errorf("clean(%q) = %q, want no change", want, again)
		}
	}
}

func TestFold(t *testing.T) {
	same := map[string][]string{
		fold("山田太郎"):     {"山田 太郎", "山田　太郎", "山\u200b田太郎"},
		fold("葛城"):       {"葛\U000e0100城"},
		fold("abc12"):    {"ＡＢＣ１２", "Abc 12"},
		fold("ガ"):        {"ｶﾞ", "カ\u3099"},
		foldKana("やまだ"):  {},
		foldKana("ヴァイス"): {},
	}
	for want, spellings := range same {
		for _, s := range spellings {
			if got := fold(s); got != want {
				t.Errorf("fold(%q) = %q, want %q", s, got, want)
			}
		}
	}
	if foldKana("ヤマダ") != foldKana("やまだ") || fold("ヤマダ") == fold("やまだ") {
		t.Error("foldKana and fold do not differ in katakana")
	}
}
