package lane

import "testing"

func TestPlace(t *testing.T) {
	for group, want := range map[string]Place{
		"docomo#3":              {Lane: "docomo", Slot: 3},
		"docomo#3.k7gq2k9z":     {Lane: "docomo", Slot: 3, Alert: "k7gq2k9z"},
		"docomo#103!k7gq2k9z":   {Lane: "docomo", Slot: 103, Alert: "k7gq2k9z", Urgent: true},
		"example.jp#0.k7gq2k9z": {Lane: "example.jp", Alert: "k7gq2k9z"},
	} {
		if got := PlaceOf(group); got != want {
			t.Errorf("PlaceOf(%q) = %+v, want %+v", group, got, want)
		}
		if got := want.Group(); got != group {
			t.Errorf("%+v: group %q, want %q", want, got, group)
		}
	}
	last := PlaceOf("docomo#103!k7gq2k9z")
	if !last.Last() || last.Number() != 3 || PlaceOf("docomo#3").Last() {
		t.Errorf("%+v: which is last is not known", last)
	}
	if got := PlaceOf("docomo"); got != (Place{Lane: "docomo"}) {
		t.Errorf("a lane alone is %+v", got)
	}
}
