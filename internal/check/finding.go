package check

import (
	"fmt"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/org/promote-action/internal/promotion"
)

func found(status promotion.Status, format string, args ...any) promotion.Check {
	return promotion.Check{Status: status, Message: fmt.Sprintf(format, args...)}
}

func passed(format string, args ...any) promotion.Check {
	return found(promotion.Pass, format, args...)
}

func warned(format string, args ...any) promotion.Check {
	return found(promotion.Warn, format, args...)
}

func failed(format string, args ...any) promotion.Check {
	return found(promotion.Fail, format, args...)
}

func skipped(format string, args ...any) promotion.Check {
	return found(promotion.Skip, format, args...)
}

func unknown(format string, args ...any) promotion.Check {
	return found(promotion.Error, format, args...)
}

// hinted is c with what to do about it.
func hinted(c promotion.Check, format string, args ...any) promotion.Check {
	c.Hint = fmt.Sprintf(format, args...)
	return c
}

// guard turns a panic of ask into an error.
func guard(ask func() promotion.Check) (c promotion.Check) {
	defer func() {
		if p := recover(); p != nil {
			c = unknown("the check itself broke: %s", line(fmt.Sprint(p), 200))
			c.Detail = tail(debug.Stack())
		}
	}()
	return ask()
}

// each asks every container at once and joins the answers.
func each(containers []Container, ask func(Container) promotion.Check) promotion.Check {
	answers := make([]promotion.Check, len(containers))
	var wg sync.WaitGroup
	for i, c := range containers {
		wg.Go(func() { answers[i] = guard(func() promotion.Check { return ask(c) }) })
	}
	wg.Wait()
	return join(containers, answers)
}

// badness orders the statuses: a definite failure says more than a question that found no answer.
func badness(s promotion.Status) int {
	switch s {
	case promotion.Fail:
		return 4
	case promotion.Error:
		return 3
	case promotion.Skip:
		return 2
	case promotion.Warn:
		return 1
	default:
		return 0
	}
}

// join makes one answer of one per replica: the worst, naming the replicas that gave it.
func join(containers []Container, answers []promotion.Check) promotion.Check {
	worst := answers[0]
	for _, a := range answers[1:] {
		if badness(a.Status) > badness(worst.Status) {
			worst = a
		}
	}
	if len(answers) == 1 {
		return worst
	}
	same := true
	var messages []string
	for i, a := range answers {
		if a.Status == worst.Status {
			same = same && a.Message == worst.Message
			messages = append(messages, containers[i].Name+": "+a.Message)
		}
	}
	switch {
	case same && len(messages) == len(answers):
		worst.Message = fmt.Sprintf("%s (all %d replicas)", worst.Message, len(answers))
	default:
		worst.Message = fmt.Sprintf("%s (%d of %d replicas)", strings.Join(messages, "; "), len(messages), len(answers))
	}
	return worst
}
