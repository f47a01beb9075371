package alert

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/shared/pack/packtest"
	"github.com/todoku/todoku/shared/table"
)

func fullFamily() Family {
	return packtest.Full[Family](func(v reflect.Value, n int) bool {
		if v.Type() != reflect.TypeFor[CopyState]() {
			return false
		}
		v.SetString(string(CopyStates[n%len(CopyStates)]))
		return true
	})
}

func record(value []byte) table.Item { return table.Item{Value: value} }

// TestFamilyRoundTrip has every field written and read back, packed and from the
// JSON of older versions.
func TestFamilyRoundTrip(t *testing.T) {
	child := Family{ID: "01k41zq2a0aaaaaaaaaaaaaaf1", Children: []Child{{ID: "c"}}, Copies: []Copy{{State: Queued}}}
	returned := fullFamily() // as the version before wrote it
	for i := range returned.Copies {
		returned.Copies[i].Soft = false
	}
	if v := encodeFamily(&returned)[0]; v != familyV4 {
		t.Errorf("written in version %d", v)
	}
	for name, want := range map[string]Family{"full": fullFamily(), "returned": returned, "sparse": child, "empty": {Children: nil}} {
		old, err := json.Marshal(&want)
		if err != nil {
			t.Fatal(err)
		}
		for form, value := range map[string][]byte{"packed": encodeFamily(&want), "JSON": old} {
			got, in, err := decodeFamily(record(value))
			if err != nil || in != "" {
				t.Fatalf("%s, %s: %q, %v", name, form, in, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", name, form, diff)
			}
		}
	}
}

// TestFamilyOfOlderVersion reads what a version before this one wrote: the form of
// a released version never changes.
func TestFamilyOfOlderVersion(t *testing.T) {
	const old = `{"id":"f","ch":[{"id":"c","n":"あおい","c":"class","g":[0],"a":{"c":"safe","t":"2026-09-01T08:00:00Z","w":"link","b":"g"}}],` +
		`"gu":[{"id":"g"}],"co":[{"id":"k","g":0,"m":"a@example.jp","l":"au","s":"sending","t":"2026-09-01T08:00:00.5Z","n":1,"o":"worker","until":"2026-09-01T09:00:00Z"}]}`
	f, _, err := decodeFamily(record([]byte(old)))
	if err != nil {
		t.Fatal(err)
	}
	c := &f.Copies[0]
	if !c.Waits() || c.Tries != 1 || f.Children[0].Answer == nil {
		t.Errorf("read as %+v", f)
	}
	c.Accept(time.Unix(0, 0))
	if c.Again != 1 {
		t.Error("nobody knows how the try of the older version ended, and it is not counted")
	}
	_, in, err := decodeFamily(record([]byte(`{"in":"other"}`)))
	if in != "other" || err != nil {
		t.Errorf("a pointer is read as %q, %v", in, err)
	}
}

// TestFamilyIsSmall holds that most records stay within DynamoDB's write unit.
func TestFamilyIsSmall(t *testing.T) {
	f := Family{ID: "01k41zq2a0aaaaaaaaaaaaaaf1"}
	for i := range 2 {
		f.Children = append(f.Children, Child{
			ID: "01k41zq2a0aaaaaaaaaaaaaac1", Name: "小笠原 ひまり", Kana: "オガサワラ ヒマリ",
			Class: "01k41zq2a0aaaaaaaaaaaaaag1", Seat: 30, Guardians: []int{0, 1},
			Answer: &Answer{Choice: "safe", At: time.Now(), Way: ByLink, By: "01k41zq2a0aaaaaaaaaaaaaah1"},
		})
		f.Guardians = append(f.Guardians, Guardian{ID: "01k41zq2a0aaaaaaaaaaaaaah1", Name: "小笠原 健太郎", Relation: "父", Phones: []string{"090-0000-0000"}})
		f.Copies = append(f.Copies, Copy{
			Contact: "01k41zq2a0aaaaaaaaaaaaaak1", Guardian: i, Mailbox: "kentaro.ogasawara@docomo.ne.jp", Lane: "docomo", Slot: 3, State: Sent, At: time.Now(), Tries: 1,
		})
	}
	const limit = 1024 - 150 // the key and the names of attributes
	if n := len(encodeFamily(&f)); n > limit {
		t.Errorf("two children, two guardians and two copies take %d bytes, want at most %d", n, limit)
	}
}

func FuzzFamily(f *testing.F) {
	whole := fullFamily()
	f.Add(encodeFamily(&whole))
	f.Add([]byte(`{"in":"x"}`))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, value []byte) {
		got, in, err := decodeFamily(record(value))
		if err != nil || in != "" {
			return
		}
		again, _, err := decodeFamily(record(encodeFamily(&got)))
		if err != nil {
			t.Fatal(err)
		}
		once := encodeFamily(&got)
		if diff := cmp.Diff(once, encodeFamily(&again)); diff != "" {
			t.Error(diff)
		}
	})
}

// TestCopiesRoundTrip has messages say again what they were given, packed and in the JSON of
// older versions.
func TestCopiesRoundTrip(t *testing.T) {
	ref := func(contact string, round int) CopyRef {
		return CopyRef{Ref: Ref{Alert: "01k41zq2a0aaaaaaaaaaaaaaa1", Class: "1-1", Family: "01k41zq2a0aaaaaaaaaaaaaaf1"}, Contact: contact, Round: round}
	}
	one, two := ref("k", 2), []CopyRef{ref("01k41zq2a0aaaaaaaaaaaaaak1", 0), ref("k", 1)}
	for name, c := range map[string]struct {
		body string
		want []CopyRef
	}{
		"one":    {Bundle("docomo#1", []CopyRef{one}).Body, []CopyRef{one}},
		"packed": {Bundle("docomo#1", two).Body, two},
		"JSON": {
			`{"a":"01k41zq2a0aaaaaaaaaaaaaaa1","b":[{"c":"1-1","f":"01k41zq2a0aaaaaaaaaaaaaaf1","k":"01k41zq2a0aaaaaaaaaaaaaak1"},` +
				`{"c":"1-1","f":"01k41zq2a0aaaaaaaaaaaaaaf1","k":"k","r":1}]}`, two,
		},
	} {
		got, err := ParseCopies(c.body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, body := range []string{"", "x", `{"a":"a","p":"?"}`, `{"a":"a","p":"AgAA"}`, `{"a":"a","p":"AA=="}`} {
		if got, err := ParseCopies(body); err == nil {
			t.Errorf("%q is read as %v", body, got)
		}
	}
}

func FuzzCopies(f *testing.F) {
	f.Add(Bundle("docomo#1", []CopyRef{{Contact: "k"}, {Contact: "l", Round: 1}}).Body)
	f.Add(`{"a":"a","b":[{"k":"k"},{"k":"l"}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		got, err := ParseCopies(body)
		if err != nil {
			return
		}
		again, err := ParseCopies(Bundle("docomo#1", got).Body)
		if diff := cmp.Diff(got, again); err != nil || diff != "" && utf8.ValidString(body) {
			t.Errorf("%v (-once +again):\n%s", err, diff)
		}
	})
}

func FuzzHand(f *testing.F) {
	h := Hand{owner: "w", until: time.Unix(1, 2).UTC(), copies: []CopyRef{{Ref: Ref{Class: "c", Family: "f"}, Contact: "k", Round: 1}}}
	f.Add(h.encode())
	f.Add((&Hand{}).encode())
	f.Fuzz(func(t *testing.T, value []byte) {
		var once, twice Hand
		if once.decode(record(value)) != nil {
			return
		}
		if err := twice.decode(record(once.encode())); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(once.encode(), twice.encode()); diff != "" {
			t.Error(diff)
		}
	})
}
