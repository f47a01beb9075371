package dead

import "encoding/json"

// Of returns the alert or the school that a message's body names, "" for what it does not.
// It knows the bodies of jobs (of alerts and imports), copies, bundles, memos and
// invitations; mail and the events of mail name neither.
func Of(body string) (alert, school string) {
	type named struct {
		School string `json:"school"`
		S      string `json:"s"`
	}
	var m struct {
		Alert string `json:"alert"`
		A     string `json:"a"`
		named
		Memo   named `json:"memo"`
		Invite named `json:"invite"`
	}
	if json.Unmarshal([]byte(body), &m) != nil {
		return "", ""
	}
	for _, s := range []string{m.School, m.Memo.School, m.Invite.School, m.Invite.S} {
		if s != "" {
			school = s
		}
	}
	if m.Alert == "" {
		m.Alert = m.A
	}
	return m.Alert, school
}
