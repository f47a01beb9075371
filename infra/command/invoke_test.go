package command

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/roster"
)

// TestInvoke: what is done by hand is done to no real school, whose mails would not leave.
func TestInvoke(t *testing.T) {
	for _, tt := range []struct {
		name  string
		found func(ctx context.Context, m *machine.Machine) error
		want  error
	}{
		{"an empty folder", func(context.Context, *machine.Machine) error { return nil }, nil},
		{"the demo school", func(ctx context.Context, m *machine.Machine) error {
			_, err := m.FoundDemo(ctx)
			return err
		}, nil},
		{"a real school", func(ctx context.Context, m *machine.Machine) error {
			return m.Roster.PutSchool(ctx, roster.School{ID: m.Alerts.IDs.New(), Name: "見本小学校", Mail: "anzen@school.example.jp"})
		}, errReal},
		{"a real school beside the demo school", func(ctx context.Context, m *machine.Machine) error {
			_, err := m.FoundDemo(ctx)
			return errors.Join(err, m.Roster.PutSchool(ctx, roster.School{ID: m.Alerts.IDs.New(), Name: "見本小学校", Mail: "anzen@school.example.jp"}))
		}, errReal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data := t.TempDir()
			m, err := machine.New(machine.Config{Addr: "127.0.0.1:0", Data: data})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(tt.found(t.Context(), m), m.Close()); err != nil {
				t.Fatal(err)
			}
			out, err := run(t, "invoke", "-data", data, "dispatch", filepath.Join("../../events", "dispatch.json"))
			if !errors.Is(err, tt.want) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
