package command

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/todoku/todoku/infra/move"
	"github.com/todoku/todoku/shared/config"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/problem"
)

// keys does one step of replacing the key that signs links. It stands between the two
// commands that fetch and store the secret.
func (p *Program) keys() *cobra.Command {
	c := &cobra.Command{
		Use: "keys [flags] add|promote|drop|list|of FILE", Short: p.say("リンクに署名する鍵を取り替える（AWS）", "replace the key that signs links, on AWS"),
		Long: p.say("標準入力から署名鍵のシークレットを読み、1段階進めたものを標準出力に書きます。add：新しい鍵を加える（まだ署名しない）。promote：新しい鍵で署名する。drop：古い鍵を捨てる。list：鍵の番号を表示する（署名する鍵が先頭）。of FILE：exportで書いたFILEにある鍵を書く。手順は docs/operate.md の Key rotation にあります。",
			"Reads the secret with the keys on standard input and writes it, one step further, on standard output. add: a new key is accepted and signs nothing yet. promote: the new key signs. drop: the old key is forgotten. list: prints the ids of the keys, the one that signs first. of FILE: writes the keys of FILE, which export wrote. Key rotation in docs/operate.md says when to do what."),
		Args: cobra.ArbitraryArgs, ValidArgsFunction: words("add", "promote", "drop", "list", "of"),
	}
	c.RunE = func(_ *cobra.Command, args []string) error { return p.keyStep(args) }
	return c
}

var errStep = problem.New(problem.Invalid,
	"keysには、add・promote・drop・list・of ファイル名 のどれかを指定してください。",
	"Give keys one of add, promote, drop, list, and of FILE.")

func (p *Program) keyStep(args []string) error {
	var keys []link.Key
	var err error
	switch {
	case len(args) == 2 && args[0] == "of":
		keys, err = keysOf(args[1])
	case len(args) == 1 && steps[args[0]] != nil:
		if keys, err = p.secret(); err == nil {
			keys, err = steps[args[0]](keys, rand.Reader)
		}
	case len(args) == 1 && args[0] == "list":
		if keys, err = p.secret(); err == nil {
			return listKeys(p.Stdout, keys)
		}
	default:
		return errStep
	}
	if err != nil {
		return err
	}
	secret, err := config.FormatKeys(keys)
	if err == nil {
		_, err = p.Stdout.Write(append(secret, '\n'))
	}
	return err
}

var steps = map[string]func(keys []link.Key, random io.Reader) ([]link.Key, error){
	"add":     config.AddKey,
	"promote": func(keys []link.Key, _ io.Reader) ([]link.Key, error) { return config.PromoteKey(keys) },
	"drop":    func(keys []link.Key, _ io.Reader) ([]link.Key, error) { return config.DropKeys(keys) },
}

func parseKeys(secret []byte) ([]link.Key, error) {
	keys, err := config.ParseKeys(secret)
	if err != nil {
		return nil, problem.New(problem.Invalid, "標準入力から、署名鍵のシークレットを渡してください（%v）。",
			"Give the secret with the keys on standard input (%v).", err)
	}
	return keys, nil
}

func keysOf(file string) ([]link.Key, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	_, keys, err := move.Check(f)
	return keys, err
}

func listKeys(w io.Writer, keys []link.Key) error {
	for i, k := range keys {
		does := "accepted"
		if i == 0 {
			does = "signs"
		}
		if _, err := fmt.Fprintf(w, "%d\t%s\n", k.ID, does); err != nil {
			return err
		}
	}
	return nil
}
