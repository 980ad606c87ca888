# make install [prefix=/usr/local] [DESTDIR=], make uninstall, make deb. Included from the Makefile.
prefix ?= /usr/local
DESTDIR ?=
bindir ?= $(prefix)/bin
datadir ?= $(prefix)/share
unitdir ?= $(prefix)/lib/systemd/system

EXAMPLES := $(patsubst packaging/examples/%,%,$(wildcard packaging/examples/*.conf packaging/examples/entries/*.conf))

# One file a word: MODE:SOURCE:DESTINATION.
INSTALL_FILES := \
	755:vmboot:$(bindir)/vmboot \
	644:build/pci.names:$(datadir)/vmboot/pci.names \
	644:man/vmboot.8:$(datadir)/man/man8/vmboot.8 \
	644:man/vmboot.conf.5:$(datadir)/man/man5/vmboot.conf.5 \
	644:packaging/vmboot.bash-completion:$(datadir)/bash-completion/completions/vmboot \
	644:packaging/vmboot.service:$(unitdir)/vmboot.service \
	$(foreach d,README.md CHANGELOG.md $(wildcard docs/*.md),644:$(d):$(datadir)/doc/vmboot/$(d)) \
	$(foreach e,$(EXAMPLES),644:packaging/examples/$(e):$(datadir)/doc/vmboot/examples/$(e)) \
	$(foreach t,$(THEMES),644:themes/$(t).theme:$(datadir)/doc/vmboot/examples/themes/$(t).theme)

# Directories that are only ours: they go with the last file in them.
INSTALL_DIRS := $(foreach d,doc/vmboot/docs doc/vmboot/examples/entries doc/vmboot/examples/themes doc/vmboot/examples doc/vmboot \
	vmboot,$(datadir)/$(d))

.PHONY: install uninstall deb
install: vmboot build/pci.names
	$(Q)set -e; for f in $(INSTALL_FILES); do \
		IFS=: read -r mode from to <<<"$$f"; \
		echo "  INSTALL $(DESTDIR)$$to"; \
		install -D -m "$$mode" "$$from" "$(DESTDIR)$$to"; \
	done
	$(Q)sed -i 's,/usr/bin/,$(bindir)/,' $(DESTDIR)$(unitdir)/vmboot.service

# What the operator and the program itself wrote (/etc/vmboot, /var/lib/vmboot) stays.
uninstall:
	$(Q)for f in $(INSTALL_FILES); do rm -fv "$(DESTDIR)$${f##*:}"; done
	$(Q)for d in $(INSTALL_DIRS); do rmdir "$(DESTDIR)$$d" 2>/dev/null || true; done

# build/deb/vmboot_VERSION_amd64.deb, by debian/rules from the ./vmboot that is built here, and what lintian says of it.
deb: vmboot
	$(Q)$(M)/deps.sh build package
	$(Q)packaging/make-deb $(VERSION)
