package main

import (
	"context"

	"github.com/spf13/cobra"

	"kazashi.example/firmware/command"
	"kazashi.example/localapi"
)

func newLock(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "lock",
		Short: "Close the site's keys, so that nobody can be looked up",
		Long: `lock makes the running box forget the open keys. Certificates are read and PINs checked as before; whoever is enrolled is not
found until the keys are open again. Central does not open them while the box runs on, before "kazashi unlock" is called.`,
		Example: "  kazashi lock",
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, _ []string) error {
			return opened(c, client.LockKeys)
		}),
	}
}

func newOperatorCode(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "code",
		Short: "Set the operator's code",
		Long: `code keeps the operator's code, by which the site's keys open after a restart. It is for whoever is in charge at the site, and
not written on the box.`,
		Example: "  kazashi code set",
	}
	c.AddCommand(newCodeSet(s))
	return c
}

func newCodeSet(s *settings) *cobra.Command {
	var forgotten bool
	c := &cobra.Command{
		Use:   "set",
		Short: "Set the operator's code, or change it",
		Long: `set asks for the code in force, if there is one, and twice for the new one, without showing them; where standard input is no
terminal its next lines are the codes. 6 to 128 characters; without a TPM at least 12, since whoever copies the disk can then try codes on
a machine of his own, and nothing counts. On a box that has no site keys it makes the site's first.

With --forgotten the code in force is not asked for: the keys must be open by central or another box of the site.`,
		Example: `  kazashi code set
  kazashi code set --forgotten`,
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, _ []string) error {
			old, err := codeInForce(c, client, forgotten)
			if err != nil {
				return err
			}
			defer old.Wipe()
			b, err := command.NewSecret(c, "new "+promptCode, "the same again")
			if err != nil {
				return err
			}
			code := wrapped(b)
			defer code.Wipe()
			return opened(c, func(ctx context.Context) (localapi.Keys, error) { return client.SetCode(ctx, old, code) })
		}),
	}
	c.Flags().BoolVar(&forgotten, "forgotten", false, "the code in force is not known; central or another box opened the keys")
	return c
}

// codeInForce asks for the code in force, if there is one.
func codeInForce(c *cobra.Command, client *localapi.Client, forgotten bool) (localapi.Secret, error) {
	k, err := client.Keys(c.Context())
	if err != nil || forgotten || !k.CodeSet {
		return localapi.Secret{}, err
	}
	b, err := command.Secret(c, promptCode+" in force")
	if err != nil {
		return localapi.Secret{}, err
	}
	return wrapped(b), nil
}

func newKeys(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "keys",
		Short: "Look at the site's keys, or make a new one",
		Long: `keys is about the keys under which a site seals its roster and its book. Several live at once: what is new is sealed under the
newest, what is older opens by the one that it was sealed under.`,
		Example: `  kazashi keys show
  kazashi keys rotate`,
	}
	c.AddCommand(newKeysShow(s), newKeysRotate(s))
	return c
}

func newKeysShow(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Say whether the site's keys are open, and by what",
		Long:  `show says whether the keys are open, what opened them, how many there are, and how many tries of the code are left.`,
		Example: `  kazashi keys show
  kazashi keys show --json | jq -r .state`,
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, _ []string) error {
			k, err := client.Keys(c.Context())
			if err != nil || asJSON {
				return printOr(c, k, err)
			}
			printKeys(c.OutOrStdout(), k)
			return nil
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newKeysRotate(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "rotate",
		Short: "Make a new key of the site",
		Long: `rotate makes a new generation, wrapped for central with the next line. Do it when somebody who could open the keys must not any
more. What was sealed before opens for whoever had the older ones.`,
		Example: "  kazashi keys rotate",
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, _ []string) error {
			return opened(c, client.RotateKeys)
		}),
	}
}
