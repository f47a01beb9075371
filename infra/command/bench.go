package command

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/todoku/todoku/shared/problem"
)

// Bench says what to measure.
type Bench struct {
	Sizes    []int  // recipients, in rising order
	Rounds   int    // of each measurement
	Far      bool   // also 20 ms away
	Conns    int    // connections to the near sink
	FarConns int    // and to the far one
	Keep     string // folder in which rosters are kept for the next run; "": none
}

// bench measures this machine; the other command is for its second process.
func (p *Program) bench() []*cobra.Command {
	c := &cobra.Command{
		Use: "bench [flags]", Short: p.say("このパソコンでの速さを測る", "measure how fast this machine is"),
		Long: p.say("架空の名簿を作り、この機械の中だけで連絡を送り、受け付けるまでの時間、1秒あたりの通数、メモリーを、何も記録しない送信と並べて表にします。メールは外に出ません。数分かかります。",
			"Makes made-up rosters, sends alerts within this machine, and prints tables of how long an alert takes to be accepted, how many copies leave a second and in how much memory, beside a bare loop that keeps no state. No mail leaves the machine. It takes some minutes."),
		Example: "  todoku bench --quick", Args: p.exactly(),
	}
	var o Bench
	f := c.Flags()
	f.IntSliceVarP(&o.Sizes, "recipients", "n", []int{1400, 100_000}, p.say("宛先の`数`（コンマ区切り）", "`NUMBERS` of recipients, with commas between them"))
	quick := f.Bool("quick", false, p.say("1400人、1回だけ", "only 1400 recipients and one round of each"))
	f.IntVar(&o.Rounds, "rounds", 3, p.say("それぞれを測る`回数`", "how many `TIMES` each is measured; the largest size 20 ms away once"))
	f.BoolVar(&o.Far, "far", true, p.say("20ミリ秒離れた中継サーバーでも測る", "measure with the relay 20 ms away, too"))
	f.IntVar(&o.Conns, "conns", 10, p.say("近い中継サーバーへの接続の`数`", "`NUMBER` of connections to the near relay"))
	f.IntVar(&o.FarConns, "far-conns", 32, p.say("離れた中継サーバーへの接続の`数`", "`NUMBER` of connections to the relay that is 20 ms away"))
	f.StringVar(&o.Keep, "keep", "", p.say("次のために名簿を残す`フォルダー`", "`FOLDER` in which rosters are kept for the next run"))
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *quick {
			o.Sizes, o.Rounds = []int{1400}, 1
		}
		slices.Sort(o.Sizes)
		if len(o.Sizes) == 0 || o.Sizes[0] < 1 || o.Rounds < 1 {
			return problem.New(problem.Invalid, "--recipients と --rounds は、1以上にしてください。", "--recipients and --rounds: at least one.")
		}
		return p.Bench(c.Context(), o)
	}
	sink := &cobra.Command{Use: "bench-sink", Hidden: true, Args: p.exactly(), RunE: func(*cobra.Command, []string) error {
		return p.Sink(p.Stdin, p.Stdout)
	}}
	return []*cobra.Command{c, sink}
}
