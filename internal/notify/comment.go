package notify

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/go-github/v62/github"
)

// MaxComment is the longest comment that GitHub takes, in characters.
const MaxComment = 65_536

const (
	maxHistory   = 20
	historyBegin = "<!-- promote-history -->"
	historyEnd   = "<!-- /promote-history -->"
)

var markerUnsafe = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// marker is the first line of the one comment about a pair of environments.
func marker(from, to string) string {
	return "<!-- promote:" + markerUnsafe.ReplaceAllString(from, "_") + ":" + markerUnsafe.ReplaceAllString(to, "_") + " -->"
}

// Comment is what is said on a pull request.
type Comment struct {
	PullRequest int
	From, To    string
	Headline    string // one line in Markdown, kept in the history of later comments
	Body        string // Markdown; foreign text in it is inert
}

// Comment writes the one comment of a pair of environments on a pull request, or writes it anew in its place, and returns
// its address. Earlier headlines are folded below. A text that is too long is cut at a line.
func (g *GitHub) Comment(ctx context.Context, c Comment) (string, error) {
	mark := marker(c.From, c.To)
	for try := 1; ; try++ {
		old, err := g.sticky(ctx, c.PullRequest, mark)
		if err != nil {
			return "", err
		}
		text := compose(mark, c, old.GetBody())
		if old != nil {
			edited, _, err := g.client.Issues.EditComment(ctx, g.owner, g.repo, old.GetID(), &github.IssueComment{Body: &text})
			return edited.GetHTMLURL(), problem("update the comment", "pull-requests: write", err)
		}
		made, _, err := g.client.Issues.CreateComment(ctx, g.owner, g.repo, c.PullRequest, &github.IssueComment{Body: &text})
		if err == nil || !failedInside(err) || try == apiTries {
			return made.GetHTMLURL(), problem("write a comment", "pull-requests: write", err)
		}
		// It may be there although the answer was lost: look again before another is written.
	}
}

// sticky is the comment with the mark that this token wrote, or nil.
func (g *GitHub) sticky(ctx context.Context, number int, mark string) (*github.IssueComment, error) {
	author, err := g.author(ctx)
	if err != nil {
		return nil, err
	}
	o := &github.IssueListCommentsOptions{ListOptions: github.ListOptions{PerPage: 100}}
	for {
		list, resp, err := g.client.Issues.ListComments(ctx, g.owner, g.repo, number, o)
		if err != nil {
			return nil, problem(fmt.Sprintf("read the comments of #%d", number), "pull-requests: write", err)
		}
		for _, c := range list {
			first, _, _ := strings.Cut(c.GetBody(), "\n")
			if strings.TrimSpace(first) == mark && c.GetUser().GetLogin() == author {
				return c, nil
			}
		}
		if resp.NextPage == 0 {
			return nil, nil
		}
		o.Page = resp.NextPage
	}
}

// compose is the text of the comment, with the headlines of earlier ones, below the limit.
func compose(mark string, c Comment, old string) string {
	history := append([]string{c.Headline}, historyOf(old)...)
	history = history[:min(len(history), maxHistory)]
	var tail strings.Builder
	if len(history) > 1 {
		tail.WriteString("\n\n<details><summary>Earlier</summary>\n\n")
		for _, line := range history[1:] {
			tail.WriteString("- " + line + "\n")
		}
		tail.WriteString("\n</details>")
	}
	tail.WriteString("\n" + historyBegin + "\n")
	for _, line := range history {
		tail.WriteString("<!-- " + strings.ReplaceAll(line, "--", "-\u200b-") + " -->\n")
	}
	tail.WriteString(historyEnd + "\n")
	return mark + "\n" + cutLines(c.Body, MaxComment-Length(mark)-1-Length(tail.String())) + tail.String()
}

// historyOf reads the headlines that an earlier comment kept.
func historyOf(text string) []string {
	_, rest, ok := strings.Cut(text, historyBegin+"\n")
	if !ok {
		return nil
	}
	rest, _, _ = strings.Cut(rest, historyEnd)
	var list []string
	for line := range strings.Lines(rest) {
		line, one := strings.CutPrefix(strings.TrimSpace(line), "<!-- ")
		line, end := strings.CutSuffix(line, " -->")
		if one && end && line != "" {
			list = append(list, strings.ReplaceAll(line, "-\u200b-", "--"))
		}
	}
	return list
}

const cutNote = "\n\n*The rest was cut: a comment takes no more. The whole is in the run's summary.*\n"

// cutLines ends text at a line below limit characters, closes what would swallow what follows, and says that it was cut.
func cutLines(text string, limit int) string {
	if Length(text) <= limit {
		return text
	}
	limit -= Length(cutNote) + 256 // room for what has to be closed
	var b strings.Builder
	n, fence, folds := 0, "", 0
	for line := range strings.Lines(text) {
		if n += Length(line); n > limit {
			break
		}
		b.WriteString(line)
		bare := strings.TrimSpace(line)
		switch {
		case fence == "" && (strings.HasPrefix(bare, "```") || strings.HasPrefix(bare, "~~~")):
			fence = bare[:len(bare)-len(strings.TrimLeft(bare, bare[:1]))]
		case fence != "" && strings.HasPrefix(bare, fence) && strings.Trim(bare, fence[:1]) == "":
			fence = ""
		case fence == "":
			folds += strings.Count(line, "<details>") - strings.Count(line, "</details>")
		}
	}
	if fence != "" {
		b.WriteString("\n" + fence + "\n")
	}
	for range min(folds, 10) {
		b.WriteString("\n</details>\n")
	}
	return b.String() + cutNote
}
