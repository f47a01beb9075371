package drill

import (
	"net/http"
	"strings"
	"testing"

	"github.com/todoku/todoku/infra/drill/cloud"
	"github.com/todoku/todoku/shared/alert"
)

// awsDead has SQS give messages up: the page names them, and what is tried again from
// there is done.
func awsDead(t *testing.T, cfg cloud.Config) {
	d := Start(t, OnAWS(cfg))
	d.AllowErrors("job's alert not read")
	d.class(2)
	ref := alert.CopyRef{Ref: alert.Ref{Alert: "00000000000000000000000000", Class: "c", Family: "f"}, Contact: "k"}
	gone := ref.Message("docomo#1", 0)
	for _, err := range []error{
		d.GiveUp("copies", gone.Group, gone.ID, gone.Body), // of an alert that is none: nobody's, so everybody sees it
		d.GiveUp("events", "", "", `{"Type":"Notification","Message":"nonsense"}`),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	shows := func(words string) bool {
		d.Advance(0)
		return strings.Contains(d.Manager.Open("/system?lang=en").Text(), words)
	}
	d.Until("both letters on the page", func() bool {
		return shows("Mails that could not be sent: 1") && shows("News of what became of mails that could not be recorded: 1")
	})
	for _, queue := range []string{"copies", "events"} {
		d.Manager.Open("/system").Form("/system/dead/"+queue).Press("Try all of them again").Says(http.StatusOK, "1 are tried again within a minute.")
	}
	d.AllowErrors("a message of no copy")
	d.Until("the queues are done with both", func() bool {
		d.Advance(0)
		now, later, err := d.Waiting()
		return err == nil && now+later == 0 && !shows("that could not be")
	})
}
