package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/org/promote-action/internal/agent"
)

// agentCommand is the other half of the program. It is started by the driver, in a container, and by nobody else.
func (a *app) agentCommand() *cobra.Command {
	root := &cobra.Command{Use: "agent", Short: "The half at the target; started by promote itself", Hidden: true, Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	var o agent.Options
	serve := &cobra.Command{
		Use: "serve", Short: "Serve one project from its engine", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Version = Version()
			ctx, end := context.WithCancel(cmd.Context())
			defer end()
			if o.Reader {
				go func() { // a reader ends with its caller
					_, _ = io.Copy(io.Discard, a.process.Stdin)
					end()
				}()
			}
			return agent.Serve(ctx, o)
		},
	}
	serve.Flags().StringVar(&o.Project, "project", "", "Compose project")
	serve.Flags().BoolVar(&o.Reader, "reader", false, "only read, and end with standard input")
	serve.Flags().StringVar(&o.StateDir, "state", "", "where the state volume is mounted")
	connect := &cobra.Command{
		Use: "connect", Short: "Bridge standard input and output to the agent", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return agent.Bridge(cmd.Context(), agent.Socket, a.process.Stdin, a.process.Stdout)
		},
	}
	copyTree := &cobra.Command{
		Use: "copy-tree FROM TO", Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			sum, err := agent.CopyTree(args[0], args[1])
			fmt.Fprintln(a.process.Stdout, sum)
			return err
		},
	}
	digestTree := &cobra.Command{
		Use: "digest-tree FOLDER", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			sum, err := agent.DigestTree(args[0])
			fmt.Fprintln(a.process.Stdout, sum)
			return err
		},
	}
	head := &cobra.Command{
		Use: "checkout-head PATH", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			state, err := agent.CheckoutHead(cmd.Context(), args[0])
			fmt.Fprintln(a.process.Stdout, state)
			return err
		},
	}
	move := &cobra.Command{
		Use: "checkout-move PATH COMMIT BRANCH", Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			return agent.CheckoutMove(cmd.Context(), args[0], args[1], args[2])
		},
	}
	root.AddCommand(serve, connect, copyTree, digestTree, head, move)
	return root
}
