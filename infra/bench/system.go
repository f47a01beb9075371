package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/todoku/todoku/infra/local/machine"
)

// system is the program that is measured, running on a copy of a roster.
type system struct {
	*process
	data   string
	url    string
	token  string      // of the API
	client http.Client // signed in to the pages
	memory func() memory
}

// startSystem starts the program on a fresh copy of a roster and signs in.
func startSystem(ctx context.Context, program string, r *school, to place) (*system, error) {
	data, err := r.copy()
	if err != nil {
		return nil, err
	}
	s, err := launchSystem(ctx, program, data, to)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(data))
	}
	s.memory = watch(s.cmd.Process.Pid)
	if err := s.greeted(); err != nil {
		return nil, errors.Join(err, s.stop(), os.RemoveAll(data))
	}
	return s, nil
}

func launchSystem(ctx context.Context, program, data string, to place) (*system, error) {
	p, err := launch(ctx, program, "run", "-demo", "-addr", "127.0.0.1:0", "-data", data, "-smtp", to.relay, "-lanes", to.lanes)
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	return &system{process: p, data: data, client: http.Client{Jar: jar}}, err
}

// greeted reads where the program is and signs in.
func (s *system) greeted() error {
	signIn := ""
	for s.token == "" {
		line, err := s.line()
		if err != nil {
			return err
		}
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "todoku":
			s.url = value
		case "sign-in":
			signIn = value
		case "api-token":
			s.token = value
		}
	}
	return s.signIn(signIn)
}

func (s *system) signIn(link string) error {
	res, err := s.client.Post(link, "application/x-www-form-urlencoded", nil)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("signing in: %s", res.Status)
	}
	return nil
}

// stop ends the program. Its data stays.
func (s *system) stop() error {
	s.memory()
	return s.process.stop()
}

// alertJSON is the alert that is posted. It can be taken back as long as undo.
func alertJSON(undo time.Duration) []byte {
	b, err := json.Marshal(map[string]any{
		"kind": "safety", "all": true, "subject": subject, "body": body,
		"useful_until": time.Now().Add(useful).Format(time.RFC3339),
		"undo_seconds": int(undo.Seconds()),
	})
	if err != nil {
		panic(err) // strings and numbers can be encoded
	}
	return b
}

// post sends the alert to everybody, and returns its id and how long that took.
func (s *system) post(undo time.Duration) (id string, took time.Duration, err error) {
	body := alertJSON(undo)
	start := time.Now()
	answer, err := s.call(http.MethodPost, "/api/v1/alerts", body)
	took = time.Since(start)
	var made struct{ ID string }
	if err == nil {
		err = json.Unmarshal(answer, &made)
	}
	return made.ID, took, err
}

// undo takes back an alert that waits.
func (s *system) undo(id string) error {
	_, err := s.call(http.MethodPost, "/api/v1/alerts/"+id+"/undo", nil)
	return err
}

// copies returns how many copies of an alert are in each state.
func (s *system) copies(id string) (map[string]int, error) {
	var status struct{ Copies map[string]int }
	answer, err := s.call(http.MethodGet, "/api/v1/alerts/"+id, nil)
	if err == nil {
		err = json.Unmarshal(answer, &status)
	}
	return status.Copies, err
}

// call asks the API, or, without a body, for a page as one who is signed in.
func (s *system) call(method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequest(method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s %s", method, path, res.Status, answer)
	}
	return answer, err
}

// fileSize returns the size of the database: of what it holds, and on the disk.
func (s *system) fileSize() (int64, error) {
	info, err := os.Stat(filepath.Join(s.data, machine.FileName))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
