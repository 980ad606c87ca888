/* See daemon/settings.h. */
#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"
#include "text.h"
#include "vars_place.h"
#include "trust.h"

#define FILE_NAME "vmboot.conf"
#define WRONG_MS  1000

struct settings {
	struct store *store;
	const char *pin;
	bool pinned; /* trust policy and keys are those of PIN */
	struct settings_file file;
	const char *entry; /* for this boot; NULL: the file's */
	bool timeout_given;
	int32_t timeout_s;
	uint32_t problems;
	uint64_t wrong_at_ms; /* of the last wrong password */
};

int settings_create(struct store *store, const char *pin, struct settings **ret_settings)
{
	struct settings *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->store = store;
	s->pin = pin;
	settings_file_init(&s->file);
	*ret_settings = s;
	return 0;
}

void settings_destroy(struct settings *s)
{
	free(s);
}

static void on_tell(void *ctx, int line, bool error, const char *text)
{
	struct settings *s = ctx;
	char path[VM_PATH_SIZE];

	(void)error;
	s->problems++;
	log_warn("%s:%d: %s", store_path(s->store, FILE_NAME, path, sizeof(path)), line, text);
}

/* ---- the pinned policy ---- */

static void on_pin_tell(void *ctx, int line, bool error, const char *text)
{
	struct settings *s = ctx;

	(void)error;
	s->problems++;
	log_warn("%s:%d: %s", s->pin, line, text);
}

/* The policy in PIN into RET_PIN; false when there is no such file. What cannot be read requires signatures of nobody. */
static bool read_pin(struct settings *s, struct settings_file *ret_pin)
{
	const struct ini_report report = {.tell = on_pin_tell, .ctx = s};
	int fd = open(s->pin, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char text[STORE_FILE_MAX + 1];
	struct stat st;
	ssize_t n = -1;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return false;
	settings_file_init(ret_pin);
	if (fd >= 0) {
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
			n = read(fd, text, sizeof(text));
		close(fd);
	}
	if (n < 0 || n > STORE_FILE_MAX ||
	    settings_file_parse(text, (size_t)n, &report, ret_pin) < 0) {
		log_error("%s cannot be read: only what is signed is started, and no key is known",
			  s->pin);
		ret_pin->values.trust = MENU_TRUST_REQUIRE;
	}
	return true;
}

static void take_pin(struct settings *s, const struct settings_file *pin)
{
	s->pinned = true;
	s->file.values.trust = pin->values.trust;
	s->file.key_count = pin->key_count;
	memcpy(s->file.keys, pin->keys, sizeof(s->file.keys));
}

static const struct store_file *signature_of(const struct settings *s, const char *name)
{
	const struct store_file *found = NULL;
	char path[STORE_NAME_SIZE + 16];

	for (size_t i = 0; trust_signature_ends[i] && !found; i++) {
		snprintf(path, sizeof(path), "%s%s", name, trust_signature_ends[i]);
		found = store_find(s->store, path);
	}
	return found;
}

int settings_verify(const struct settings *s, const struct store_file *file, struct vmb_err *err)
{
	const struct store_file *signature = signature_of(s, file->name);
	struct launch_trust trust;
	int rc;

	settings_trust(s, &trust);
	if (!s->pinned || trust.policy == LAUNCH_TRUST_OFF)
		return 0;
	if (signature)
		rc = trust_check(trust.keys, trust.count, file->text, file->size, signature->text,
				 signature->size, err);
	else
		rc = vmb_err_set(err, ENOKEY, "has no signature");
	if (rc < 0 && trust.policy == LAUNCH_TRUST_WARN) {
		log_warn("%s %s", file->name, err->text);
		return 0;
	}
	return rc < 0 ? -EKEYREJECTED : 0;
}

int settings_may_change(const struct settings *s, struct vmb_err *err)
{
	if (!s->pinned || s->file.values.trust != MENU_TRUST_REQUIRE)
		return 0;
	return vmb_err_set(err, EPERM,
			   "Settings have to be signed on this machine (%s), so the menu cannot "
			   "change them. Change the files, and sign them.",
			   s->pin);
}

void settings_load(struct settings *s)
{
	const struct ini_report report = {.tell = on_tell, .ctx = s};
	const struct store_file *file = store_find(s->store, FILE_NAME);
	struct settings_file pin;
	struct vmb_err err;

	s->problems = 0;
	s->pinned = false;
	settings_file_init(&s->file);
	if (read_pin(s, &pin))
		take_pin(s, &pin);
	if (!file)
		return;
	if (settings_verify(s, file, &err) < 0) {
		s->problems++;
		log_error("%s %s: it is not used", FILE_NAME, err.text);
		return;
	}
	if (settings_file_parse(file->text, file->size, &report, &s->file) < 0)
		log_error("not enough memory to read the settings");
	if (s->pinned)
		take_pin(s, &pin);
}

const struct settings_file *settings_get(const struct settings *s)
{
	return &s->file;
}

void settings_override(struct settings *s, const char *entry, bool timeout_given, int32_t timeout_s)
{
	s->entry = entry;
	s->timeout_given = timeout_given;
	s->timeout_s = timeout_s;
}

const char *settings_default(const struct settings *s)
{
	return s->entry ? s->entry : s->file.default_id;
}

int32_t settings_timeout(const struct settings *s)
{
	return s->timeout_given ? s->timeout_s : s->file.values.timeout_s;
}

void settings_describe(const struct settings *s, struct menu_settings *ret)
{
	*ret = s->file.values;
	text_escape(ret->theme, sizeof(ret->theme), s->file.values.theme,
		    strlen(s->file.values.theme));
	text_escape(ret->images, sizeof(ret->images), s->file.values.images,
		    strlen(s->file.values.images));
	ret->problem_count = s->problems;
	store_describe(s->store, ret);
	ret->vars_kept = (uint8_t)vars_place_kept(s->store);
}

/* Writes FILE, and makes it ours unless that is not possible at all. Pinned trust is written, and read over. */
static int put(struct settings *s, const struct settings_file *file, struct vmb_err *err)
{
	const struct store_file *old = store_find(s->store, FILE_NAME);
	size_t n;
	char *text;
	int rc = settings_may_change(s, err);

	if (rc < 0)
		return rc;
	text = settings_file_render(file, old ? old->text : "", old ? old->size : 0, &n, err);
	if (!text)
		return -EINVAL;
	rc = store_put(s->store, FILE_NAME, text, n, err);
	free(text);
	if (rc >= 0)
		s->file = *file;
	return rc;
}

int settings_save(struct settings *s, const struct menu_settings *values, struct vmb_err *err)
{
	struct settings_file file = s->file;
	int rc = settings_file_check(values, err);

	if (rc < 0)
		return rc;
	if (values->trust == MENU_TRUST_REQUIRE && file.key_count == 0)
		return vmb_err_set(err, EINVAL,
				   "No key is trusted yet, so nothing could start any more. Put a "
				   "trust-key line into vmboot.conf first.");
	file.values = *values;
	file.values.has_password = s->file.values.has_password;
	if (s->pinned)
		file.values.trust = s->file.values.trust;
	return put(s, &file, err);
}

int settings_set_default(struct settings *s, const char *id, struct vmb_err *err)
{
	struct settings_file file = s->file;

	text_copy(file.default_id, sizeof(file.default_id), id);
	s->entry = NULL;
	return put(s, &file, err);
}

void settings_trust(const struct settings *s, struct launch_trust *ret)
{
	static const enum launch_policy policies[] = {
		[MENU_TRUST_OFF] = LAUNCH_TRUST_OFF,
		[MENU_TRUST_WARN] = LAUNCH_TRUST_WARN,
		[MENU_TRUST_REQUIRE] = LAUNCH_TRUST_REQUIRE,
	};

	*ret = (struct launch_trust){.policy = policies[s->file.values.trust]};
	for (unsigned int i = 0; i < s->file.key_count; i++)
		if (trust_parse_key(s->file.keys[i], &ret->keys[ret->count]) == 0)
			ret->count++;
}

int settings_check_password(struct settings *s, const char *password, struct vmb_err *err)
{
	uint64_t now = loop_now_ms();

	if (!s->file.values.has_password)
		return 0;
	if (!s->file.password[0])
		return vmb_err_set(
			err, EACCES,
			"The password in vmboot.conf is no hash, so none is right. Mend the "
			"file.");
	if (s->wrong_at_ms && now - s->wrong_at_ms < WRONG_MS)
		return vmb_err_set(err, EACCES, "Wrong password a moment ago. Try again.");
	if (trust_check_password(s->file.password, password) == 0)
		return 0;
	s->wrong_at_ms = loop_now_ms();
	return vmb_err_set(err, EACCES, "Wrong password.");
}

/* Every user of an ordinary host could try passwords on a hash that he can read. A file that is made is the owner's anyway. */
static void hide_from_others(const struct settings *s)
{
	char path[VM_PATH_SIZE];
	struct stat st;

	store_path(s->store, FILE_NAME, path, sizeof(path));
	if (path[0] == '/' && stat(path, &st) == 0)
		(void)!chmod(path, st.st_mode & 07777 & ~(mode_t)S_IRWXO);
}

int settings_set_password(struct settings *s, const char *password, struct vmb_err *err)
{
	struct settings_file file = s->file;
	int rc;

	_Static_assert(sizeof(file.password) >= TRUST_PASSWORD_HASH_SIZE, "a hash does not fit");
	file.password[0] = '\0';
	file.password_bad = false;
	file.values.has_password = password[0] != '\0';
	rc = password[0] ? trust_make_password(password, file.password) : 0;
	if (rc < 0)
		return vmb_err_set(err, -rc, "The password cannot be hashed: %s.", strerror(-rc));
	hide_from_others(s);
	return put(s, &file, err);
}
