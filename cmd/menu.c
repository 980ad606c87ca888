/*
 * vmboot menu: finds the daemon, or starts one that ends with this menu, and runs the menu on it.
 */
#include "menu.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "daemon_path.h"
#include "log.h"
#include "prefix.h"
#include "text.h"

extern char **environ;

/* The descriptor on which a daemon of our own finds its client. */
#define DAEMON_CLIENT_FD 3

/* A daemon of our own ends its VM and saves its variables before it exits; more than this is stuck. */
#define DAEMON_END_SECONDS 15

#define THEMES_SIZE 4096

struct own_daemon {
	pid_t pid; /* 0: the daemon is somebody else's */
	int log;   /* its standard error, for the last words */
	char *config; /* the directory of settings that it is to take; NULL: the usual one */
};

/* CONFIG NULL: the usual one. */
static int spawn_with(int client, int log, char *config, pid_t *ret_pid)
{
	char fd_text[16], role[] = "daemon", option[] = "--client-fd", self[] = "/proc/self/exe";
	char config_option[] = "--config";
	char *argv[] = {self, role, option, fd_text, config ? config_option : NULL, config, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int rc;

	snprintf(fd_text, sizeof(fd_text), "%d", DAEMON_CLIENT_FD);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, log, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, log, STDERR_FILENO);
	posix_spawn_file_actions_adddup2(&actions, client, DAEMON_CLIENT_FD);
	/* A group of its own: ^C in the recovery shell is not for the daemon. */
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
	rc = posix_spawn(ret_pid, self, &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -rc;
}

static int start_daemon(struct own_daemon *daemon, int *ret_sock, struct vmb_err *err)
{
	int pair[2], client, rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return vmb_err_set(err, errno, "No socket for the daemon: %s.", strerror(errno));
	/* Away from DAEMON_CLIENT_FD: dup2() onto itself would keep close-on-exec. */
	client = fcntl(pair[1], F_DUPFD_CLOEXEC, DAEMON_CLIENT_FD + 1);
	daemon->log = memfd_create("vmboot-daemon-log", MFD_CLOEXEC);
	if (client < 0 || daemon->log < 0)
		rc = -errno;
	else
		rc = spawn_with(client, daemon->log, daemon->config, &daemon->pid);
	if (client >= 0)
		close(client);
	close(pair[1]);
	if (rc < 0) {
		close(pair[0]);
		if (daemon->log >= 0)
			close(daemon->log);
		return vmb_err_set(err, -rc, "The daemon could not be started: %s.", strerror(-rc));
	}
	*ret_sock = pair[0];
	return 0;
}

/* Waits until our daemon has ended its VM; says so if that takes long. */
static void end_daemon(const struct own_daemon *daemon)
{
	const struct timespec step = {.tv_nsec = 20 * 1000000};

	for (int i = 0; i < DAEMON_END_SECONDS * 50; i++) {
		if (waitpid(daemon->pid, NULL, WNOHANG) != 0)
			return;
		if (i == 25)
			fprintf(stderr, "vmboot: ending the VM, saving its variables ...\n");
		nanosleep(&step, NULL);
	}
	fprintf(stderr, "vmboot: the daemon (process %d) does not end; it was killed.\n",
		(int)daemon->pid);
	kill(daemon->pid, SIGKILL);
	waitpid(daemon->pid, NULL, 0);
}

/* The last line our daemon wrote, for when it ended without being asked. */
static void print_last_words(const struct own_daemon *daemon)
{
	char buf[512], safe[512], *line;
	off_t size = lseek(daemon->log, 0, SEEK_END);
	ssize_t n;

	if (size <= 0)
		return;
	n = pread(daemon->log, buf, sizeof(buf) - 1,
		  size > (off_t)sizeof(buf) - 1 ? size - (off_t)sizeof(buf) + 1 : 0);
	if (n <= 0)
		return;
	while (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	line = strrchr(buf, '\n');
	line = line ? line + 1 : buf;
	fprintf(stderr, "vmboot: its last words: %s\n",
		text_escape(safe, sizeof(safe), line, strlen(line)));
}

static int parse_args(int argc, char **argv, struct menu_options *options, const char **socket_path,
		      char **config)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--ascii") == 0)
			options->ascii = true;
		else if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc)
			*socket_path = argv[++i];
		else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
			*config = argv[++i];
		else if (strcmp(argv[i], "--theme") == 0 && i + 1 < argc)
			options->theme = argv[++i];
		else if (strcmp(argv[i], "--theme-dir") == 0 && i + 1 < argc)
			options->theme_dir = argv[++i];
		else if (strcmp(argv[i], "--prefix") == 0 && i + 1 < argc &&
			 prefix_parse_key(argv[i + 1], &options->prefix_key) == 0)
			i++;
		else
			return CMD_USAGE;
	}
	return 0;
}

/* Without --theme-dir: beside the settings. BUF has THEMES_SIZE bytes and lives as long as OPTIONS. */
static void choose_themes(struct menu_options *options, const char *config, char *buf)
{
	char usual[VM_PATH_SIZE];

	if (options->theme_dir)
		return;
	snprintf(buf, THEMES_SIZE, "%.4000s/themes",
		 config ? config : daemon_path_config(usual, sizeof(usual)));
	options->theme_dir = buf;
}

/* A socket that was named must work; the usual one may be missing, then a daemon is started. */
static int find_daemon(const char *named, struct own_daemon *daemon, int *ret_sock,
		       struct vmb_err *err)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int rc;

	if (named) {
		rc = daemon_path_connect(named, ret_sock);
		return rc == 0 ? 0
			       : vmb_err_set(err, -rc,
					     "No daemon answers on %s: %s. Start one there, or leave "
					     "--socket away.",
					     named, strerror(-rc));
	}
	/* Settings of its own need a daemon of its own. */
	rc = daemon->config ? -ENOENT : daemon_path_socket(path, sizeof(path), NULL);
	if (rc == 0)
		rc = daemon_path_connect(path, ret_sock);
	if (rc == -EACCES || rc == -EPERM)
		return vmb_err_set(err, -rc, "The daemon's socket %s is not for this user. Run vmboot "
				   "as root.", path);
	return rc == 0 ? 0 : start_daemon(daemon, ret_sock, err);
}

/* True if the menu can be shown here; else says why not. */
static bool has_terminal(void)
{
	if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		return true;
	fprintf(stderr, "vmboot: standard %s is not a terminal, so there is no place for a menu. "
			"Start vmboot on a terminal, or use `vmboot run`.\n",
		isatty(STDIN_FILENO) ? "output" : "input");
	return false;
}

int cmd_attach(int argc, char **argv)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct menu_options options = {.attach_only = true};
	struct vmb_err err = {0};
	const char *socket_path = NULL;
	char *config = NULL, themes[THEMES_SIZE];
	int sock, rc = 0;

	/* The daemon runs already, with its own settings. */
	if (parse_args(argc, argv, &options, &socket_path, &config) != 0 || config)
		return CMD_USAGE;
	if (!has_terminal())
		return 1;
	choose_themes(&options, NULL, themes);
	log_init(-1, LOG_LEVEL_ERROR, "attach");
	if (!socket_path)
		rc = daemon_path_socket(path, sizeof(path), &err);
	if (rc == 0)
		rc = daemon_path_connect(socket_path ? socket_path : path, &sock);
	if (rc < 0 && !err.text[0])
		vmb_err_set(&err, -rc,
			    "No daemon answers on %s: %s. Only the virtual machine of a `vmboot "
			    "daemon` has a console for others.",
			    socket_path ? socket_path : path, strerror(-rc));
	if (rc == 0) {
		rc = menu_run(sock, &options, &err);
		close(sock);
	}
	if (rc < 0)
		fprintf(stderr, "vmboot: %s\n", err.text);
	return rc == 0 || rc == -ESHUTDOWN ? 0 : 1;
}

int cmd_menu(int argc, char **argv)
{
	struct own_daemon daemon = {.log = -1};
	struct menu_options options = {0};
	struct vmb_err err = {0};
	const char *socket_path = NULL;
	char themes[THEMES_SIZE];
	int sock, rc;

	if (parse_args(argc, argv, &options, &socket_path, &daemon.config) != 0)
		return CMD_USAGE;
	if (!has_terminal())
		return 1;
	choose_themes(&options, daemon.config, themes);
	/* Curses owns the terminal; what is worth a log line is the daemon's to log. */
	log_init(-1, LOG_LEVEL_ERROR, "menu");
	rc = find_daemon(socket_path, &daemon, &sock, &err);
	if (rc == 0) {
		options.owns_daemon = daemon.pid != 0;
		rc = menu_run(sock, &options, &err);
		close(sock);
	}
	if (rc < 0)
		fprintf(stderr, "vmboot: %s\n", err.text);
	if (daemon.pid) {
		if (rc == -EPIPE)
			print_last_words(&daemon);
		end_daemon(&daemon);
		close(daemon.log);
	}
	return rc < 0 ? 1 : 0;
}
