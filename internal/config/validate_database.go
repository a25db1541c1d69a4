package config

import (
	"net/url"
	"strings"
)

func (v *validator) databases() {
	for _, name := range v.cfg.databaseNames() {
		v.database("databases."+name, v.cfg.Databases[name])
	}
	owners := map[string]string{} // the database a URL names → where the URL stands
	for _, name := range v.cfg.EnvironmentNames() {
		env, key := v.cfg.Environments[name], "environments."+name
		if env == nil {
			continue
		}
		for _, db := range sortedKeys(env.Databases) {
			v.database(key+".databases."+db, env.Databases[db])
			v.known(key+".databases."+db, db)
		}
		for _, db := range sortedKeys(env.DatabaseURLs) {
			at := key + ".database_urls." + db
			v.known(at, db)
			v.url(at, env.DatabaseURLs[db])
			if over := env.Databases[db]; over != nil && over.URL != "" {
				v.bad(at, "keep one of them", "the URL is also given at %s", key+".databases."+db+".url")
			}
		}
		v.reachable(name, env, owners)
	}
}

// reachable checks that each database of an environment says where it is, and that no two are the same.
func (v *validator) reachable(name string, env *Environment, owners map[string]string) {
	merged := v.cfg.databasesOf(env)
	for _, db := range sortedKeys(merged) {
		at := v.urlOf(name, db)
		if merged[db].URL == "" {
			if merged[db].Service == "" && !v.failed("databases."+db) && !v.failed("environments."+name) {
				v.bad("databases."+db, "add service: NAME of the Compose service that runs PostgreSQL, or environments."+name+".database_urls."+db,
					"the environment %s does not learn where the database is", name)
			}
			continue
		}
		same, ok := databaseKey(merged[db].URL.Reveal())
		if !ok {
			continue // url has said so
		}
		if other, taken := owners[same]; taken {
			where := "is already that of " + other
			v.bad(at, "each environment needs a database of its own: environments.NAME.database_urls."+db, "the database that this is in %s %s", name, where)
			continue
		}
		owners[same] = db + " in " + name
	}
}

// urlOf is the key where the URL of a database in an environment is written.
func (v *validator) urlOf(environment, db string) string {
	for _, key := range []string{"environments." + environment + ".database_urls." + db, "environments." + environment + ".databases." + db + ".url"} {
		if v.doc.has(key) {
			return key
		}
	}
	return "databases." + db + ".url"
}

func (v *validator) known(key, db string) {
	if _, ok := v.cfg.Databases[db]; !ok {
		hint := suggest(db, v.cfg.databaseNames(), "databases")
		if len(v.cfg.Databases) == 0 {
			hint = "declare it for both environments, at the top of the file: databases: {" + db + ": {}}"
		}
		v.bad(key, hint, "databases has no %s", quoted(db))
	}
}

func (v *validator) database(key string, db *Database) {
	if db == nil {
		return
	}
	v.url(key+".url", db.URL)
	if at := key + ".password"; db.Password != "" && !strings.Contains(v.doc.marks[at].text, "${") {
		v.bad(at, "write ${NAME} and set that environment variable", "the password stands in the file")
	}
	if db.URL == "" {
		return
	}
	for name, value := range map[string]string{"service": db.Service, "database": db.Database, "user": db.User, "password": string(db.Password)} {
		if value != "" {
			v.bad(key+"."+name, "keep url, or the other keys", "both url and %s are given", name)
		}
	}
}

func (v *validator) url(key string, value Secret) {
	if value == "" || v.failed(key) {
		return
	}
	if _, ok := databaseKey(value.Reveal()); !ok {
		v.bad(key, "write postgres://user:${PASSWORD}@host:port/database, with special characters of the password percent-encoded", "this is not the URL of a PostgreSQL database")
		return
	}
	// The password is looked for in the text as written, where a reference stands for itself.
	written, err := url.Parse(referenceless(v.doc.marks[key].text))
	if err != nil || written.User == nil {
		return
	}
	if password, has := written.User.Password(); has && password != "" && !strings.Contains(password, standIn) {
		v.bad(key, "write postgres://user:${PASSWORD}@host:port/database and set that environment variable", "the password stands in the file")
	}
}

const standIn = "REFERENCE"

// referenceless puts a word that a URL may hold in place of each ${…}.
func referenceless(text string) string {
	for {
		at := strings.Index(text, "${")
		if at < 0 {
			return text
		}
		end := strings.IndexByte(text[at:], '}')
		if end < 0 {
			return text[:at]
		}
		text = text[:at] + standIn + text[at+end+1:]
	}
}
