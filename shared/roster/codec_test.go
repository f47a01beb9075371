package roster

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/pack/packtest"
	"github.com/todoku/todoku/shared/table"
)

// TestFamilyRoundTrip has every field written and read back, packed and from the JSON of
// older versions.
func TestFamilyRoundTrip(t *testing.T) {
	full := packtest.Full[Family](nil)
	sparse := Family{ID: "f", Children: []Child{{ID: "c"}}, Guardians: []Guardian{{ID: "g", Contacts: []Contact{{Paused: time.Unix(1, 0).UTC()}}}}}
	for name, want := range map[string]Family{"full": full, "sparse": sparse, "empty": {}} {
		want.Revision = 7
		old, err := json.Marshal(&want)
		if err != nil {
			t.Fatal(err)
		}
		for form, value := range map[string][]byte{"packed": encodeFamily(&want), "JSON": old} {
			got, err := decodeFamily(table.Item{Value: value, Revision: 7})
			if err != nil {
				t.Fatalf("%s, %s: %v", name, form, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", name, form, diff)
			}
		}
	}
}

// TestFamilyOfVersion1 reads what was written once: the form of a version never changes.
func TestFamilyOfVersion1(t *testing.T) {
	want := Family{
		ID: "f", Updated: time.Unix(1, 2).UTC(),
		Children:  []Child{{ID: "c", Name: "あおい", Class: "class-1-1", Seat: 3, Guardians: []string{"g"}}},
		Guardians: []Guardian{{ID: "g", Name: "花", Contacts: []Contact{{ID: "k", Address: "a@b.jp", State: Verified, Answered: time.Unix(9, 0).UTC()}}}},
	}
	const written = "\x01\x02f\x00\x00\x00\x00;\x9a\xca\x02" +
		"\x01\x02c\x00\x0aあおい\x00\x0aclass-1-1\x06\x00\x01\x02g" +
		"\x01\x02g\x04花\x00\x00\x00\x01\x02k\x07a@b.jp\x09verified\x00\x00\x01\x00\x00\x00\x02\x18q\x1a\x00"
	if got := encodeFamily(&want); string(got) != written {
		t.Errorf("written as %q", got)
	}
	got, err := decodeFamily(table.Item{Value: []byte(written)})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestFamilyOfVersion2 reads one with an address that was taken out.
func TestFamilyOfVersion2(t *testing.T) {
	want := Family{ID: "f", Updated: time.Unix(1, 2).UTC(), Closed: []string{"ec25b887a081a4e4"}}
	const written = "\x02\x02f\x00\x00\x00\x00;\x9a\xca\x02\x00\x00\x01\x11ec25b887a081a4e4"
	if got := encodeFamily(&want); string(got) != written {
		t.Errorf("written as %q", got)
	}
	got, err := decodeFamily(table.Item{Value: []byte(written)})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestMemberRoundTrip has a family's place in a group read back, packed and from the JSON of
// older versions.
func TestMemberRoundTrip(t *testing.T) {
	want := packtest.Full[Member](nil)
	old, err := json.Marshal(&want)
	if err != nil {
		t.Fatal(err)
	}
	for form, value := range map[string][]byte{"packed": encodeMember(&want), "JSON": old} {
		got, err := decodeMember(table.Item{Key: table.Key{Sort: want.Family}, Value: value})
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", form, err, diff)
		}
	}
	for _, damaged := range []string{"", "\x02", "\x01\x01"} {
		if got, err := decodeMember(table.Item{Value: []byte(damaged)}); err == nil {
			t.Errorf("%q is read as %v", damaged, got)
		}
	}
}

// TestRepack has what is still JSON packed, once, and everything else left alone.
func TestRepack(t *testing.T) {
	family := packtest.Full[Family](nil)
	member := packtest.Full[Member](nil)
	family.Revision, member.Family = 7, "f"
	asJSON := func(key table.Key, v any) table.Item {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return table.Item{Key: key, Revision: 7, Value: b}
	}
	for _, tt := range []struct {
		it   table.Item
		want []byte // nil: nothing is written
	}{
		{asJSON(familyKey("s", "f"), &family), encodeFamily(&family)},
		{asJSON(memberKey("s", "class-1-1", "f"), &member), encodeMember(&member)},
		{table.Item{Key: familyKey("s", "f"), Value: encodeFamily(&family)}, nil},
		{table.Item{Key: familyKey("s", "f"), Value: []byte("{damaged")}, nil},
		{asJSON(groupKey("s", "g"), Group{ID: "g"}), nil},
		{asJSON(pastKey("s", "t", "f"), &family), nil},
		{asJSON(schoolKey("s"), School{ID: "s"}), nil},
	} {
		op, is := Repack(tt.it)
		if is != (tt.want != nil) {
			t.Errorf("%s: to be written is %v", tt.it.Key, is)
			continue
		}
		want := table.Replace{Key: tt.it.Key, Revision: 7, Value: tt.want}
		if diff := cmp.Diff(want, op); is && diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.it.Key, diff)
		}
	}
}

func FuzzFamily(f *testing.F) {
	full := packtest.Full[Family](nil)
	f.Add(encodeFamily(&full))
	f.Add([]byte(`{"id":"x"}`))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, value []byte) {
		got, err := decodeFamily(table.Item{Value: value})
		if err != nil || value[0] == '{' {
			return
		}
		once := encodeFamily(&got)
		again, err := decodeFamily(table.Item{Value: once})
		if err != nil || !bytes.Equal(once, encodeFamily(&again)) {
			t.Errorf("%q is read and written as %q, and then not so: %v", value, once, err)
		}
	})
}
