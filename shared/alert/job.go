package alert

import (
	"encoding/json"
	"fmt"

	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/table"
)

// JobRef names a job of an alert; it is the body of the job queue's messages.
type JobRef struct {
	Alert string `json:"alert"`
	Job   Job    `json:"job"`
}

// JobMessage returns the queue message that starts a job. Jobs of one alert are
// done one after another. again tells a repeated start from the first, which the
// queue would otherwise drop as a duplicate.
func JobMessage(alert string, job Job, again int64) queue.Message {
	return queue.Message{
		Group: alert,
		ID:    fmt.Sprintf("%s-%s-%d", alert, job, again),
		Body:  string(table.Encode(JobRef{Alert: alert, Job: job})),
	}
}

// ParseJobRef is the inverse of JobMessage.
func ParseJobRef(body string) (JobRef, error) {
	var j JobRef
	err := json.Unmarshal([]byte(body), &j)
	return j, err
}
