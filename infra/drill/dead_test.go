package drill

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/infra/cdk/plan"
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

// awsMoves has SQS itself give messages up, because nobody takes them: they are on the page,
// and go out when they are tried again from there.
func awsMoves(t *testing.T, cfg cloud.Config) {
	cfg.Receives = map[string]int{plan.Copies: 3}
	cfg.Visibility = map[string]time.Duration{plan.Copies: time.Second}
	var c *cloud.Cloud
	d := Start(t, onAWS(cfg, func(made *cloud.Cloud) { c = made }))
	pupils := d.class(2)
	all := Addresses(pupils...)
	c.Functions["dispatch"].Stop(true)
	id := d.Send(Alert{Subject: "誰も受け取らない"})
	row := "Mails that could not be sent: " + strconv.Itoa(len(all))
	d.Until("SQS has given all up", func() bool {
		if err := d.Tick(); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(d.Manager.Open("/system?lang=en").Text(), row)
	})
	d.equal("mails that wait", d.Status(id).Copies["queued"], int64(len(all)))
	c.Functions["dispatch"].Stop(false)
	d.Manager.Open("/system").Form("/system/dead/copies").Press("Try all of them again").Says(http.StatusOK, strconv.Itoa(len(all))+" are tried again within a minute.")
	d.ArriveLater(time.Minute, "誰も受け取らない", all...)
	d.Settle(id)
}
