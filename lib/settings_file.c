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

int settings_file_parse_timeout(const char *value, int32_t *ret_seconds)
{
	uint64_t seconds;

	if (strcmp(value, "off") == 0) {
		*ret_seconds = -1;
		return 0;
	}
	if (text_parse_uint(value, 0, MAX_TIMEOUT, &seconds) < 0)
		return -EINVAL;
	*ret_seconds = (int32_t)seconds;
	return 0;
}

static int read_timeout(void *file, const char *value, struct vmb_err *err)
{
	struct settings_file *f = file;

	if (settings_file_parse_timeout(value, &f->values.timeout_s) == 0)
		return 0;
	return vmb_err_set(err, EINVAL,
			   "\"%.40s\" is no time; expected seconds from 0 (at once) to %d, "
			   "or off.",
			   value, MAX_TIMEOUT);
}

static int read_rearm(void *file, const char *value, struct vmb_err *err)
{
	struct settings_file *f = file;
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

static int read_menu(void *file, const char *value, struct vmb_err *err)
{
	struct settings_file *f = file;

	return read_word(value, menu_words, &f->values.hidden_menu, "shown or hidden", err);
}

static int read_ascii(void *file, const char *value, struct vmb_err *err)
{
	struct settings_file *f = file;

	return read_word(value, no_yes, &f->values.ascii, "yes or no", err);
}

static int read_shell(void *file, const char *value, struct vmb_err *err)
{
	struct settings_file *f = file;
	int rc = read_word(value, no_yes, &f->values.shell_allowed, "yes or no", err);

	if (rc < 0) /* who wrote the line wanted to forbid something */
		f->values.shell_allowed = 0;
	return rc;
}

static int read_guest_power(void *file, const char *value, struct vmb_err *err)
{
	struct settings_file *f = file;

	return read_word(value, power_words, &f->values.guest_power, "menu or host", err);
}

static int read_trust(void *file, const char *value, struct vmb_err *err)
{
	struct settings_file *f = file;
	int rc = read_word(value, trust_words, &f->values.trust, "off, warn or require", err);

	f->trust_bad = rc < 0;
	return rc;
}

static int read_trust_key(void *file, const char *value, struct vmb_err *err)
{
	struct settings_file *f = file;
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

static int read_theme(void *file, const char *value, struct vmb_err *err)
{
	struct settings_file *f = file;

	if (text_copy(f->values.theme, sizeof(f->values.theme), value) < 0 || !value[0]) {
		text_copy(f->values.theme, sizeof(f->values.theme), "default");
		return vmb_err_set(err, EINVAL, "This is no theme; expected a name or /PATH.");
	}
	return 0;
}

static int read_images(void *file, const char *value, struct vmb_err *err)
{
	struct settings_file *f = file;

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

static int read_prefix_key(void *file, const char *value, struct vmb_err *err)
{
	struct settings_file *f = file;
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

static int read_default(void *file, const char *value, struct vmb_err *err)
{
	struct settings_file *f = file;

	if (!entry_file_id_ok(value))
		return vmb_err_set(err, EINVAL,
				   "\"%.40s\" is no entry; expected the name of a file in entries/ "
				   "without .conf.",
				   value);
	text_copy(f->default_id, sizeof(f->default_id), value);
	return 0;
}

static int read_password(void *file, const char *value, struct vmb_err *err)
{
	struct settings_file *f = file;

	/* A hash that nothing can match is as good as a wrong one, and found when it is written. */
	f->password_bad =
		strlen(value) >= sizeof(f->password) || trust_check_password(value, "") == -EINVAL;
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
static int read_console(void *file, const char *value, struct vmb_err *err)
{
	struct settings_file *f = file;
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

static const struct ini_key keys[] = {
	{.name = "default", .read = read_default},
	{.name = "timeout", .read = read_timeout},
	{.name = "rearm", .read = read_rearm},
	{.name = "menu", .read = read_menu},
	{.name = "theme", .read = read_theme},
	{.name = "ascii", .read = read_ascii},
	{.name = "prefix-key", .read = read_prefix_key},
	{.name = "shell", .read = read_shell},
	{.name = "guest-power-off", .read = read_guest_power},
	{.name = "images", .read = read_images},
	{.name = "console", .read = read_console, .repeats = true},
	{.name = "password", .read = read_password},
	{.name = "trust", .read = read_trust},
	{.name = "trust-key", .read = read_trust_key, .repeats = true},
};

static const struct ini_keys table = {
	.file = "vmboot.conf", .keys = keys, .count = sizeof(keys) / sizeof(keys[0])};
_Static_assert(sizeof(keys) / sizeof(keys[0]) <= INI_MAX_KEYS, "more keys than ini_keys.c counts");

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

int settings_file_parse(const char *text, size_t n, const struct ini_report *report,
			struct settings_file *ret_file)
{
	struct settings_file file;
	int rc;

	settings_file_init(&file);
	rc = ini_keys_parse(&table, text, n, report, &file, NULL);
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

	add_all(&w, file);
	return ini_keys_render(&table, old, n, w.pairs, w.count, ret_n, err);
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
