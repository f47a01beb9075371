package drill

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/todoku/todoku/infra/drill/cloud"
	"github.com/todoku/todoku/infra/drill/peers"
)

// buildFunctions builds the functions as they are deployed, but for this machine
// and with a clock that drills can move, and returns the folder of them. Further tags
// make another version: they stand in the programs.
func buildFunctions(t testing.TB, tags ...string) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "run", "./infra/cdk/build", "-dir", dir, "-arch", runtime.GOARCH, "-tags", strings.Join(append([]string{"drill"}, tags...), ","))
	cmd.Dir = "../.." // the source tree
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return dir
}

// TestAWS is the lane of the AWS mode: the scenarios that every kind of system
// must do, and what only this kind can be asked. All share the built functions and
// the servers; each has tables, queues and an SES of its own. What waits more than it works
// runs side by side, when what measures is done.
func TestAWS(t *testing.T) {
	cfg := cloud.Config{Dynamo: peers.Dynoxide(t), SQS: peers.Fauxqs(t), Most: 4}
	cfg.Programs = buildFunctions(t)
	t.Run("scenarios", func(t *testing.T) {
		for _, s := range scenarios {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				s.run(Start(t, OnAWS(cfg)))
			})
		}
	})
	t.Run("passkey", func(t *testing.T) { awsPasskey(t, cfg) })
	t.Run("passkeys only", func(t *testing.T) {
		cfg := cfg
		cfg.Host = "localhost" // a passkey belongs to a name
		passkeysOnly(Start(t, OnAWS(cfg)))
	})
	t.Run("proof", func(t *testing.T) { awsProof(t, cfg) })
	t.Run("proven lanes", func(t *testing.T) { awsLanesProven(t, cfg).try() })
	t.Run("dead", func(t *testing.T) { awsDead(t, cfg) })
	t.Run("moves", func(t *testing.T) { awsMoves(t, cfg) })
	t.Run("lanes", func(t *testing.T) { awsLanes(t, cfg) })
	t.Run("upgrade", func(t *testing.T) { awsUpgrade(t, cfg) })
	t.Run("cost", func(t *testing.T) { awsCost(t, cfg) })
	t.Run("cold start", func(t *testing.T) { coldStart(t, cfg) })
	t.Run("kill", func(t *testing.T) { t.Parallel(); awsKill(t, cfg) })
	t.Run("stops", func(t *testing.T) { t.Parallel(); awsStops(t, cfg) })
	t.Run("heal", func(t *testing.T) { t.Parallel(); awsHeal(t, cfg) })
}
