/* See include/settings_file.h. One row of the table below is one key. */
#include "settings_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entry_file.h"
#include "text.h"
#include "trust.h"

#define MAX_TIMEOUT  86400
#define MAX_BAUD     4000000
#define MAX_SIDE     500
#define CONSOLE_SIZE 64
#define MAX_PAIRS    (MENU_MAX_CONSOLES + SETTINGS_MAX_KEYS + 16)

struct parser {
	struct settings_file *file;
	const struct ini_report *report;
	unsigned int seen;
};

struct key {
	const char *name;
	int (*read)(struct settings_file *file, const char *value, struct vmb_err *err);
	bool repeats;
};

static int read_word(const char *value, const char *const *words, uint8_t *ret,
		     const char *expected, struct vmb_err *err)
{
	for (uint8_t i = 0; words[i]; i++)
		if (strcmp(value, words[i]) == 0) {
			*ret = i;
			return 0;
		}
	return vmb_err_set(err, EINVAL, "\"%.40s\" is not known here; expected %s.", value,
			   expected);
}

static const char *const no_yes[] = {"no", "yes", NULL};
static const char *const menu_words[] = {"shown", "hidden", NULL};
static const char *const power_words[] = {"menu", "host", NULL};
static const char *const trust_words[] = {"off", "warn", "require", NULL};

static int read_timeout(struct settings_file *f, const char *value, struct vmb_err *err)
{
	uint64_t seconds;

	if (strcmp(value, "off") == 0) {
		f->values.timeout_s = -1;
		return 0;
	}
	if (text_parse_uint(value, 0, MAX_TIMEOUT, &seconds) < 0)
		return vmb_err_set(err, EINVAL,
				   "\"%.40s\" is no time; expected seconds from 0 (at once) to %d, "
				   "or off.",
				   value, MAX_TIMEOUT);
	f->values.timeout_s = (int32_t)seconds;
	return 0;
}

static int read_rearm(struct settings_file *f, const char *value, struct vmb_err *err)
{
	uint64_t seconds;

	if (strcmp(value, "off") == 0)
		value = "0";
	if (text_parse_uint(value, 0, MAX_TIMEOUT, &seconds) < 0)
		return vmb_err_set(err, EINVAL,
				   "\"%.40s\" is no time; expected seconds up to %d, or off.",
				   value, MAX_TIMEOUT);
	f->values.rearm_s = (uint32_t)seconds;
	return 0;
}

static int read_menu(struct settings_file *f, const char *value, struct vmb_err *err)
{
	return read_word(value, menu_words, &f->values.hidden_menu, "shown or hidden", err);
}

static int read_ascii(struct settings_file *f, const char *value, struct vmb_err *err)
{
	return read_word(value, no_yes, &f->values.ascii, "yes or no", err);
}

static int read_shell(struct settings_file *f, const char *value, struct vmb_err *err)
{
	int rc = read_word(value, no_yes, &f->values.shell_allowed, "yes or no", err);

	if (rc < 0) /* who wrote the line wanted to forbid something */
		f->values.shell_allowed = 0;
	return rc;
}

static int read_guest_power(struct settings_file *f, const char *value, struct vmb_err *err)
{
	return read_word(value, power_words, &f->values.guest_power, "menu or host", err);
}

static int read_trust(struct settings_file *f, const char *value, struct vmb_err *err)
{
	int rc = read_word(value, trust_words, &f->values.trust, "off, warn or require", err);

	f->trust_bad = rc < 0;
	return rc;
}

static int read_trust_key(struct settings_file *f, const char *value, struct vmb_err *err)
{
	static const char base64[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	if (strlen(value) != 56 || strspn(value, base64) != 56)
		return vmb_err_set(
			err, EINVAL,
			"This is no public key; expected the 56 characters of the second "
			"line of a minisign or signify .pub file.");
	if (f->key_count == SETTINGS_MAX_KEYS)
		return vmb_err_set(err, EINVAL, "There are more than %d keys.", SETTINGS_MAX_KEYS);
	text_copy(f->keys[f->key_count++], SETTINGS_KEY_SIZE, value);
	return 0;
}

static int read_theme(struct settings_file *f, const char *value, struct vmb_err *err)
{
	if (text_copy(f->values.theme, sizeof(f->values.theme), value) < 0 || !value[0]) {
		text_copy(f->values.theme, sizeof(f->values.theme), "default");
		return vmb_err_set(err, EINVAL, "This is no theme; expected a name or /PATH.");
	}
	return 0;
}

static int read_images(struct settings_file *f, const char *value, struct vmb_err *err)
{
	if (value[0] != '/' || strlen(value) >= sizeof(f->values.images))
		return vmb_err_set(err, EINVAL, "This is no directory; expected /PATH.");
	text_copy(f->values.images, sizeof(f->values.images), value);
	return 0;
}

/* A control character can be typed everywhere and means nothing to a menu. */
static bool prefix_ok(uint8_t key)
{
	return key > 0 && key < 0x20 && key != '\t' && key != '\n' && key != '\r' && key != 0x1B &&
	       key != 0x0C;
}

static int read_prefix_key(struct settings_file *f, const char *value, struct vmb_err *err)
{
	uint8_t key = (uint8_t)(value[0] == '^' && value[1] ? (value[1] & 0x1F) : 0);

	if (strlen(value) != 2 || value[1] < '@' || !prefix_ok(key))
		return vmb_err_set(
			err, EINVAL,
			"\"%.20s\" is no prefix key; expected ^ and a character, for example "
			"^] or ^T, but not ^I, ^J, ^L, ^M or ^[.",
			value);
	f->values.prefix_key = key;
	return 0;
}

static int read_default(struct settings_file *f, const char *value, struct vmb_err *err)
{
	if (!entry_file_id_ok(value))
		return vmb_err_set(err, EINVAL,
				   "\"%.40s\" is no entry; expected the name of a file in entries/ "
				   "without .conf.",
				   value);
	text_copy(f->default_id, sizeof(f->default_id), value);
	return 0;
}

static int read_password(struct settings_file *f, const char *value, struct vmb_err *err)
{
	/* A hash that nothing can match is as good as a wrong one, and found when it is written. */
	f->password_bad = strlen(value) >= sizeof(f->password) ||
			  trust_check_password(value, "") == -EINVAL;
	if (f->password_bad)
		return vmb_err_set(
			err, EINVAL,
			"This is no password's hash; expected what `mkpasswd` or `openssl "
			"passwd -6` prints. Until that is mended nothing can be unlocked.");
	text_copy(f->password, sizeof(f->password), value);
	return 0;
}

static int parse_console_option(struct menu_console_settings *c, const char *option)
{
	unsigned int cols, rows;
	uint64_t baud;
	char tail;

	if (strncmp(option, "baud=", 5) == 0 &&
	    text_parse_uint(option + 5, 50, MAX_BAUD, &baud) == 0) {
		c->baud = (uint32_t)baud;
		return 0;
	}
	if (sscanf(option, "size=%ux%u%c", &cols, &rows, &tail) == 2 && cols >= 20 && rows >= 5 &&
	    cols <= MAX_SIDE && rows <= MAX_SIDE) {
		c->cols = (uint16_t)cols;
		c->rows = (uint16_t)rows;
		return 0;
	}
	return -EINVAL;
}

/* "ttyS0,baud=115200,size=80x24" */
static int read_console(struct settings_file *f, const char *value, struct vmb_err *err)
{
	struct menu_console_settings c = {.baud = 0};
	char copy[CONSOLE_SIZE], *rest = NULL, *word;
	int rc = text_copy(copy, sizeof(copy), value);

	word = strtok_r(copy, ",", &rest);
	if (rc == 0 && (!word || strchr(word, '/') || strlen(word) >= sizeof(c.tty)))
		rc = -EINVAL;
	if (rc == 0)
		text_copy(c.tty, sizeof(c.tty), word);
	while (rc == 0 && (word = strtok_r(NULL, ",", &rest)) != NULL)
		rc = parse_console_option(&c, word);
	if (rc < 0)
		return vmb_err_set(
			err, EINVAL,
			"\"%.40s\" is no console; expected TTY[,baud=N][,size=COLSxROWS], "
			"for example ttyS0,baud=115200,size=80x24.",
			value);
	if (f->values.console_count == MENU_MAX_CONSOLES)
		return vmb_err_set(err, EINVAL, "There are more than %d consoles.",
				   MENU_MAX_CONSOLES);
	f->values.consoles[f->values.console_count++] = c;
	return 0;
}

static const struct key keys[] = {
	{"default", read_default, false},
	{"timeout", read_timeout, false},
	{"rearm", read_rearm, false},
	{"menu", read_menu, false},
	{"theme", read_theme, false},
	{"ascii", read_ascii, false},
	{"prefix-key", read_prefix_key, false},
	{"shell", read_shell, false},
	{"guest-power-off", read_guest_power, false},
	{"images", read_images, false},
	{"console", read_console, true},
	{"password", read_password, false},
	{"trust", read_trust, false},
	{"trust-key", read_trust_key, true},
};

#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

static const char *const known_names[] = {"default",	     "timeout",	  "rearm",	"menu",
					  "theme",	     "ascii",	  "prefix-key", "shell",
					  "guest-power-off", "images",	  "console",	"password",
					  "trust",	     "trust-key", NULL};

/* ---- reading ---- */

void settings_file_init(struct settings_file *file)
{
	*file = (struct settings_file){
		.values =
			{
				.timeout_s = 5,
				.rearm_s = 60,
				.shell_allowed = 1,
				.prefix_key = 0x1D,
				.theme = "default",
			},
	};
}

static void tell(const struct parser *p, int line, bool error, const char *text)
{
	if (p->report)
		p->report->tell(p->report->ctx, line, error, text);
}

static void on_value(void *ctx, int line, const char *section, const char *name, const char *value)
{
	struct parser *p = ctx;
	struct vmb_err err;
	size_t i = 0;

	while (i < KEY_COUNT && strcmp(keys[i].name, name) != 0)
		i++;
	if (section[0] || i == KEY_COUNT) {
		vmb_err_set(
			&err, EINVAL,
			section[0]
				? "[%s] %s is not known here; vmboot.conf has no sections."
				: "%s\"%s\" is not known; expected default, timeout, rearm, menu, "
				  "theme, ascii, prefix-key, shell, guest-power-off, images, "
				  "console, "
				  "password, trust or trust-key.",
			section, name);
		tell(p, line, false, err.text);
		return;
	}
	if (keys[i].read(p->file, value, &err) < 0) {
		tell(p, line, true, err.text);
		return;
	}
	if (!keys[i].repeats && (p->seen & 1u << i)) {
		vmb_err_set(&err, EINVAL, "\"%s\" was set before; this line counts.", name);
		tell(p, line, false, err.text);
	}
	p->seen |= 1u << i;
}

static void on_fault(void *ctx, int line, const char *text)
{
	tell(ctx, line, true, text);
}

int settings_file_parse(const char *text, size_t n, const struct ini_report *report,
			struct settings_file *ret_file)
{
	static const struct ini_handler handler = {.value = on_value, .fault = on_fault};
	struct settings_file file;
	struct parser p = {.file = &file, .report = report};
	int rc;

	settings_file_init(&file);
	rc = ini_file_parse(text, n, &handler, &p);
	if (file.trust_bad)
		file.values.trust = MENU_TRUST_REQUIRE;
	file.values.has_password = file.password[0] || file.password_bad;
	if (rc == 0)
		*ret_file = file;
	return rc;
}

/* ---- writing ---- */

struct writer {
	struct ini_pair pairs[MAX_PAIRS];
	size_t count;
	char timeout[16], rearm[16], prefix[4];
	char consoles[MENU_MAX_CONSOLES][CONSOLE_SIZE];
};

static void add(struct writer *w, const char *name, const char *value)
{
	w->pairs[w->count++] = (struct ini_pair){.name = name, .value = value};
}

static void add_consoles(struct writer *w, const struct menu_settings *v)
{
	for (uint32_t i = 0; i < v->console_count && i < MENU_MAX_CONSOLES; i++) {
		const struct menu_console_settings *c = &v->consoles[i];
		char baud[24] = "", size[24] = "";

		if (c->baud)
			snprintf(baud, sizeof(baud), ",baud=%u", c->baud);
		if (c->rows && c->cols)
			snprintf(size, sizeof(size), ",size=%ux%u", c->cols, c->rows);
		snprintf(w->consoles[i], sizeof(w->consoles[i]), "%s%s%s", c->tty, baud, size);
		add(w, "console", w->consoles[i]);
	}
}

static void add_all(struct writer *w, const struct settings_file *f)
{
	const struct menu_settings *v = &f->values;

	if (f->default_id[0])
		add(w, "default", f->default_id);
	snprintf(w->timeout, sizeof(w->timeout), v->timeout_s < 0 ? "off" : "%d", v->timeout_s);
	add(w, "timeout", w->timeout);
	snprintf(w->rearm, sizeof(w->rearm), v->rearm_s == 0 ? "off" : "%u", v->rearm_s);
	add(w, "rearm", w->rearm);
	add(w, "menu", menu_words[v->hidden_menu != 0]);
	add(w, "theme", v->theme);
	add(w, "ascii", no_yes[v->ascii != 0]);
	snprintf(w->prefix, sizeof(w->prefix), "^%c", v->prefix_key | 0x40);
	add(w, "prefix-key", w->prefix);
	add(w, "shell", no_yes[v->shell_allowed != 0]);
	add(w, "guest-power-off", power_words[v->guest_power != 0]);
	if (v->images[0])
		add(w, "images", v->images);
	add_consoles(w, v);
	if (f->password[0])
		add(w, "password", f->password);
	add(w, "trust",
	    trust_words[v->trust <= MENU_TRUST_REQUIRE ? v->trust : MENU_TRUST_REQUIRE]);
	for (unsigned int i = 0; i < f->key_count; i++)
		add(w, "trust-key", f->keys[i]);
}

char *settings_file_render(const struct settings_file *file, const char *old, size_t n,
			   size_t *ret_n, struct vmb_err *err)
{
	struct writer w = {.count = 0};
	char *text;

	add_all(&w, file);
	for (size_t i = 0; i < w.count; i++) {
		char what[24];

		snprintf(what, sizeof(what), "\"%s\"", w.pairs[i].name);
		if (ini_file_check_value(what, w.pairs[i].value, err) < 0)
			return NULL;
	}
	text = ini_file_rewrite(old, n, known_names, w.pairs, w.count, ret_n);
	if (!text)
		vmb_err_set(err, ENOMEM, "Not enough memory to save the settings.");
	return text;
}

static bool ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static int check_console(const struct menu_console_settings *c, struct vmb_err *err)
{
	bool size_ok = (c->rows == 0 && c->cols == 0) || (c->rows >= 5 && c->rows <= MAX_SIDE &&
							  c->cols >= 20 && c->cols <= MAX_SIDE);

	if (!ends(c->tty, sizeof(c->tty)) || !c->tty[0] || strpbrk(c->tty, "/, ;"))
		return vmb_err_set(err, EINVAL, "A console needs a name like ttyS0.");
	if (!size_ok)
		return vmb_err_set(
			err, EINVAL,
			"A console of %u x %u cannot be; give columns from 20 and rows from "
			"5 to %d, or neither.",
			c->cols, c->rows, MAX_SIDE);
	if (c->baud != 0 && (c->baud < 50 || c->baud > MAX_BAUD))
		return vmb_err_set(err, EINVAL, "%u baud cannot be; give 50 to %d, or 0.", c->baud,
				   MAX_BAUD);
	return 0;
}

int settings_file_check(const struct menu_settings *v, struct vmb_err *err)
{
	int rc = 0;

	if (!ends(v->theme, sizeof(v->theme)) || !ends(v->images, sizeof(v->images)) ||
	    v->console_count > MENU_MAX_CONSOLES || v->guest_power > MENU_POWER_TO_HOST ||
	    v->trust > MENU_TRUST_REQUIRE)
		return vmb_err_set(err, EINVAL, "These settings were not made by vmboot.");
	if (v->timeout_s < -1 || v->timeout_s > MAX_TIMEOUT || v->rearm_s > MAX_TIMEOUT)
		return vmb_err_set(err, ERANGE, "The countdown can last at most %d seconds.",
				   MAX_TIMEOUT);
	if (!prefix_ok(v->prefix_key))
		return vmb_err_set(
			err, EINVAL,
			"The prefix key must be a control character, for example ^] or ^T, "
			"but not ^I, ^J, ^L, ^M or ^[.");
	if (v->images[0] && v->images[0] != '/')
		return vmb_err_set(err, EINVAL,
				   "The directory of images must be an absolute path.");
	if (!v->theme[0])
		return vmb_err_set(err, EINVAL, "A theme is needed, for example \"default\".");
	for (uint32_t i = 0; rc == 0 && i < v->console_count; i++)
		rc = check_console(&v->consoles[i], err);
	return rc;
}
