/*
 * The table of commands. The only place that prints usage. With no command `vmboot` is the menu.
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "init.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *args;
	const char *help; /* NULL: a role that vmboot starts by itself, not shown */
};

static int cmd_help(int argc, char **argv);
static int cmd_version(int argc, char **argv);

static const struct command commands[] = {
	{"menu", cmd_menu,
	 "[--ascii] [--theme NAME|FILE] [--theme-dir DIR] [--prefix ^KEY] [--config DIR | --socket "
	 "PATH]",
	 "the menu (also without any command); starts a daemon if none runs"},
	{"attach", cmd_attach,
	 "[--ascii] [--theme NAME|FILE] [--theme-dir DIR] [--prefix ^KEY] [--socket PATH]",
	 "the console of the daemon's virtual machine, without the menu; ^] . leaves it"},
	{"run", cmd_run,
	 "--firmware FILE [--vars FILE [--fresh-vars]] | --kernel FILE [--initrd FILE] [--cmdline "
	 "TEXT]\n"
	 "           [--disk PATH[,ro][,overlay[=SIZE]][,sector=4096][,serial=S]]... [--memory "
	 "SIZE] [--cpus N]\n"
	 "           [--net "
	 "tap=NAME|bridge=NAME|macvtap=NAME[,mac=M][,queues=N][,vhost=on|off|auto]]... [--log "
	 "FILE]\n"
	 "           [--vfio PCI-ADDRESS[,id=V:D][,serial=S][,rom=off]]... [--nested] [--console "
	 "serial|virtio] "
	 "[--panic keep|stop]",
	 "run one virtual machine in this terminal; ^] is the prefix key, ^] ? lists"},
	{"list", cmd_list, "[--json] [--images DIR]... | --pci [--json]",
	 "list the disks, what they hold, disk images, and the firmware found; or PCI devices"},
	{"daemon", cmd_daemon,
	 "[--socket PATH] [--config DIR] [--entry ENTRY] [--timeout SECONDS|off] [--log FILE] "
	 "[--debug]\n"
	 "           [--note TEXT]... [--images DIR]...",
	 "serve menus on several consoles: disks, firmware, the virtual machine"},
	{"ctl", cmd_ctl,
	 "[--socket PATH] list|status|pause|resume|reset|power|kill|console|entries\n"
	 "           |start ENTRY|default ENTRY|once ENTRY|copy ENTRY NAME|balloon SIZE|resize "
	 "DISK\n"
	 "           |link CARD up|down",
	 "control the daemon's virtual machine from outside; 0 done, 1 not possible, 2 no daemon"},
	{"check", cmd_check, "[--config DIR] [FILE... | --sign-check FILE...]",
	 "check settings and entries (FILES, else the usual ones), prints FILE:LINE: "
	 "MESSAGE; or\n"
	 "      whether FILES are signed by a key that the settings trust"},
	{"report", cmd_report, "[--to FILE|DIRECTORY|/dev/DISK] [--socket PATH]",
	 "log, devices, settings, console and kernel messages in one piece, to send to who helps"},
	{"doctor", cmd_doctor, "[--can-run-firmware]",
	 "examine whether this computer can run virtual machines"},
	{"init", cmd_init, "", NULL},
	{"vmm", cmd_vmm, "", NULL},
	{"probe", cmd_probe,
	 "--device PATH | --system | --images DIR | --read[-signed] DEVICE PATH | "
	 "--settings|--save|--mend DEVICE FSTYPE",
	 NULL},
	{"pci", cmd_pci, "take|give-back DIR ADDRESS... | recover DIR", NULL},
	{"version", cmd_version, "", "print the version"},
	{"help", cmd_help, "", "print this list; `vmboot COMMAND --help` one command's part of it"},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_help(const struct command *command)
{
	printf("  vmboot %s%s%s\n      %s\n", command->name, command->args[0] ? " " : "",
	       command->args, command->help);
}

static int cmd_help(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return CMD_USAGE;
	printf("vmboot: a boot menu that runs UEFI firmware in a virtual machine\n\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (commands[i].help)
			print_help(&commands[i]);
	return 0;
}

static int cmd_version(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return CMD_USAGE;
	printf("vmboot %s\n", VMBOOT_VERSION);
	return 0;
}

static const struct command *find_command(const char *name)
{
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	if (strcmp(name, "--version") == 0)
		name = "version";
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "menu";
	const struct command *command = find_command(name);
	int status;

	/* What the kernel adds to its command line is not for us. */
	if (init_is_wanted(argv[0]))
		return cmd_init(argc, argv);
	if (!command) {
		fprintf(stderr, "vmboot: there is no command \"%s\"; `vmboot help` lists them.\n",
			name);
		return CMD_USAGE;
	}
	if (argc == 3 && command->help && strcmp(argv[2], "--help") == 0) {
		print_help(command);
		return 0;
	}
	if (argc > 1) {
		argc--;
		argv++;
	}
	status = command->run(argc, argv);
	if (status == CMD_USAGE)
		fprintf(stderr, "usage: vmboot %s %s\n", command->name, command->args);
	return status;
}
