package config

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Settings are the environment variables that hold for every command.
type Settings struct {
	Log           string        `env:"PROMOTION_LOG" doc:"Log file of this run. Default: a new promotion-YYYYMMDD-HHMMSS.log."`
	BackupDir     string        `env:"BACKUP_DIR" doc:"Folder for backups, where backup.directory does not name one. Default: the working directory."`
	StartupWait   time.Duration `env:"MAX_STARTUP_WAIT" default:"300s" doc:"How long a service may take to become healthy, where startup_timeout does not say. Seconds or a Go duration."`
	HealthTimeout time.Duration `env:"HEALTH_CHECK_TIMEOUT" default:"30s" doc:"How long one health request or custom check may take. Seconds or a Go duration."`
}

// The defaults and the largest value of the durations in Settings.
const (
	defaultStartupWait   = 300 * time.Second
	defaultHealthTimeout = 30 * time.Second
	maxSetting           = 24 * time.Hour
)

// ReadSettings reads the environment variables. An empty one counts as not set. The error is Problems.
func ReadSettings(env Lookup) (Settings, error) {
	settings, problems := readSettings(env)
	if len(problems) > 0 {
		return Settings{}, problems
	}
	return settings, nil
}

func readSettings(env Lookup) (Settings, Problems) {
	var problems Problems
	get := func(name string) string {
		value, _ := env(name)
		return strings.TrimSpace(value)
	}
	complain := func(name, message, hint string) {
		problems = append(problems, Problem{Key: name, Message: message, Hint: hint})
	}
	duration := func(name string, value time.Duration) time.Duration {
		text := get(name)
		if text == "" {
			return value
		}
		parsed, err := secondsOrDuration(text)
		if err != nil || parsed <= 0 || parsed > maxSetting {
			complain(name, fmt.Sprintf("%q is not a time that can be waited for", text), "write seconds (300) or a Go duration (5m), at most 24h")
			return value
		}
		return parsed
	}
	settings := Settings{
		Log:           get("PROMOTION_LOG"),
		BackupDir:     get("BACKUP_DIR"),
		StartupWait:   duration("MAX_STARTUP_WAIT", defaultStartupWait),
		HealthTimeout: duration("HEALTH_CHECK_TIMEOUT", defaultHealthTimeout),
	}
	if info, err := os.Stat(settings.Log); settings.Log != "" && err == nil && info.IsDir() {
		complain("PROMOTION_LOG", fmt.Sprintf("%q is a folder", settings.Log), "name a file")
	}
	if info, err := os.Stat(settings.BackupDir); settings.BackupDir != "" && err == nil && !info.IsDir() {
		complain("BACKUP_DIR", fmt.Sprintf("%q is not a folder", settings.BackupDir), "name a folder; it is made when it does not exist")
	}
	return settings, problems
}

func secondsOrDuration(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second, nil
	}
	return time.ParseDuration(text)
}
