/* How the daemon knows that init is this program: a file that init makes. */
#ifndef VMB_INCLUDE_POWER_MARK_H
#define VMB_INCLUDE_POWER_MARK_H

#define POWER_MARK_DIR "/run/vmboot"
#define POWER_MARK     POWER_MARK_DIR "/init"

#endif
