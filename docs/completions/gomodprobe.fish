# fish completion for modprobe, depmod, modinfo, insmod, rmmod, lsmod, kmod and goinitramfs, and for the same names
# with "go" in front: options, module names, their parameters, loaded modules, kernel releases.

# Prints the modules' directory that the command line speaks of.
function __gomodprobe_dir
    argparse -i 'd/dirname=' 'root=' 'b/basedir=?' 'S/set-version=' 'k=' -- (commandline -opc) 2>/dev/null
    set -l root
    set -q _flag_d; and set root $_flag_d
    set -q _flag_root; and set root $_flag_root
    set -l release (uname -r)
    set -q _flag_S; and set release $_flag_S
    set -q _flag_k; and set release $_flag_k
    echo $root/lib/modules/$release
end

# Prints the names of the modules, from the table or, without one, the files.
function __gomodprobe_modules
    set -l dir (__gomodprobe_dir)
    if test -r $dir/modules.dep
        string replace -rf '^(?:[^:]*/)?([^/:]+)\.ko[^:]*:.*' '$1' <$dir/modules.dep
    else
        find -L $dir -name '*.ko*' 2>/dev/null | string replace -rf '.*/([^/]+)\.ko.*' '$1'
    end
    test -r $dir/modules.builtin; and string replace -rf '.*/([^/]+)\.ko$' '$1' <$dir/modules.builtin
end

function __gomodprobe_loaded
    test -r /proc/modules; and string replace -r ' .*' '' </proc/modules
end

function __gomodprobe_releases
    for d in /lib/modules/*
        basename $d
    end
end

# Prints the operands before the cursor, one a line: neither options nor what comes after one that takes a value.
function __gomodprobe_operands
    set -l skip
    set -l words (commandline -opc)
    set -l flags b # -b takes a directory, but not with modprobe
    string match -q '*modprobe' $words[1]; and set flags
    for word in $words[2..-1]
        if set -q skip[1]
            set -e skip
        else if string match -qr -- "^(-[dSCwkFjo$flags]|--(dirname|root|set-version|config|wait|image|symvers|basedir))\$" $word
            set skip 1
        else if not string match -q -- '-*' $word
            echo $word
        end
    end
end

# Succeeds if modules are to be removed.
function __gomodprobe_removing
    string match -qr -- '^(-[a-zA-Z]*r[a-zA-Z]*|--remove|--remove-holders)$' (commandline -opc)
end

# Succeeds if the operands after the first are parameters.
function __gomodprobe_parameters_wanted
    not __gomodprobe_removing
    and not string match -qr -- '^(-[a-zA-Z]*a[a-zA-Z]*|--all)$' (commandline -opc)
    and test (count (__gomodprobe_operands)) -gt 0
end

# Prints the parameters of the module that is the first operand, with what modinfo says of them.
function __gomodprobe_parameters
    set -l command (commandline -opc)[1]
    set -l modinfo (string replace -r '(modprobe|insmod)$' modinfo -- $command)
    set -l module (__gomodprobe_operands)[1]
    set -l at -k (basename (__gomodprobe_dir)) -b (string replace -r '/lib/modules/.*' / (__gomodprobe_dir))
    string match -q '*/*' -- $module; and set at
    $modinfo $at -F parm $module 2>/dev/null | string replace -rf '^([^:]*):(.*)' '$1=\t$2'
end

for c in modprobe gomodprobe
    complete -c $c -f
    complete -c $c -n __gomodprobe_removing -a '(__gomodprobe_loaded)'
    complete -c $c -n __gomodprobe_parameters_wanted -a '(__gomodprobe_parameters)'
    complete -c $c -n 'not __gomodprobe_removing; and not __gomodprobe_parameters_wanted' -a '(__gomodprobe_modules)'
end
for c in modinfo gomodinfo
    complete -c $c -a '(__gomodprobe_modules)'
end
for c in insmod goinsmod
    complete -c $c -n __gomodprobe_parameters_wanted -xa '(__gomodprobe_parameters)'
end
for c in rmmod gormmod
    complete -c $c -xa '(__gomodprobe_loaded)'
end
for c in depmod godepmod
    complete -c $c -xa '(__gomodprobe_releases)'
end
for c in lsmod golsmod
    complete -c $c -f
end
for c in kmod gokmod
    complete -c $c -n 'test (count (__gomodprobe_operands)) -eq 0' -xa 'help list static-nodes'
end
complete -c goinitramfs -n 'test (count (__gomodprobe_operands)) -eq 0' -xa 'build ls cat extract diff why check profile boot update install-hooks'

# The options, from docs/man by
#   go test ./cmd/gomodprobe -run Completion -update
# BEGIN options
for c in modprobe gomodprobe
    complete -c $c -l all -s a -d 'Take all operands as modules, none as parameters'
    complete -c $c -l all-kernels -d 'With --check: check against every installed kernel, one line each'
    complete -c $c -l allow-forbidden -d 'Load even what forbid in modprobe.d(5) or modprobe.forbid= on the kernel command line forbids'
    complete -c $c -l allowlist -d 'Write lines for modprobe.d(5) that forbid all modules but those that this machine uses'
    complete -c $c -l audit -d 'Say what was refused since boot, and what the lines would have refused of what is loaded'
    complete -c $c -l built-for -rF -d 'With --check: tell what changed since this kernel, a boot image, a file of BTF or a release'
    complete -c $c -l chart -rF -d 'With --coldplug: write a drawing (SVG) of what was loaded when and for which device'
    complete -c $c -l check -d 'Say whether the kernel would take the modules, without loading anything'
    complete -c $c -l coldplug -d 'Load the drivers of all devices of this machine'
    complete -c $c -l config -s C -rF -d 'Read this file, or the *.conf files of this directory, in place of the directories in modprobe.d(5)'
    complete -c $c -l dirname -s d -xa '(__fish_complete_directories)' -d 'Look for modules below dir/lib/modules'
    complete -c $c -l dry-run -s n -d 'Do everything but load, remove or run a command'
    complete -c $c -l dump-modversions -d 'Old name of --show-modversions'
    complete -c $c -l first-time -d 'Fail if the module is already loaded, or with -r if it is not'
    complete -c $c -l force -s f -d 'Both --force-modversion and --force-vermagic'
    complete -c $c -l force-compatible -d 'Force only modules that name no type which moved since the kernel they were built for, as far as both kernels\' types tell'
    complete -c $c -l force-modversion -d 'Ignore the checksums of the symbols that the module imports'
    complete -c $c -l force-vermagic -d 'Ignore the kernel version and options that the module was built for'
    complete -c $c -l format -xa 'human tmpfiles devname' -d 'With --check: print a table of modules and kernels, as table, json, junit (XML for continuous integration) or html (one page that needs no other file)'
    complete -c $c -l help -s h -d 'Print a short help'
    complete -c $c -l host -d 'With --allowlist: take what this machine has and uses'
    complete -c $c -l ignore-install -l ignore-remove -s i -d 'Pass over the install or remove command of the modules on the command line'
    complete -c $c -l image -rF -d 'With --check: the boot image of the kernel to check against'
    complete -c $c -l json -d 'With -D, -n, -R, -c, --check, --coldplug, --policy, --audit or --weak-update: print JSON'
    complete -c $c -l kmod -d 'With --allowlist: write lines that kmod obeys, as near as these come'
    complete -c $c -l names-none -d 'With --weak-update: a link also stands where the module loads with --force-compatible only, that is where it names no type that changed'
    complete -c $c -l policy -d 'Say whether the modules may be loaded, by which line of modprobe.d(5), and through whom'
    complete -c $c -l profile -rF -d 'With --allowlist: take what the machine needs that goinitramfs profile save described in this file'
    complete -c $c -l quiet -s q -d 'Show no messages'
    complete -c $c -l remove -s r -d 'Remove modules instead of loading them'
    complete -c $c -l remove-dependencies -d 'Old name of --remove-holders'
    complete -c $c -l remove-holders -d 'Remove modules, as -r, and before them the modules that use them, and those that use these'
    complete -c $c -l resolve-alias -l show-alias -s R -d 'Print the names of the modules that the operand stands for'
    complete -c $c -l root -xa '(__fish_complete_directories)' -d 'Take everything from the system below dir: modules, tables, configuration, and the files that other arguments name'
    complete -c $c -l set-version -s S -xa '(__gomodprobe_releases)' -d 'Use the modules of this kernel release in place of the running one\'s'
    complete -c $c -l settle -x -d 'With --coldplug: stop when nothing has happened for this time, 250ms by default'
    complete -c $c -l show -d 'Old name of --dry-run'
    complete -c $c -l show-config -l showconfig -s c -d 'Print the whole configuration, then every alias and symbol of the installed modules'
    complete -c $c -l show-depends -s D -d 'Print what loading the module would do, one step a line, its dependencies included, whether they are loaded or not'
    complete -c $c -l show-exports -d 'Print the checksum and name of every symbol that the module exports'
    complete -c $c -l show-modversions -d 'Print the checksum and name of every symbol that the module imports'
    complete -c $c -l symvers -rF -d 'With --check: take the kernel\'s symbols from this Module.symvers'
    complete -c $c -l syslog -s s -d 'Write messages to the system\'s log in place of standard error'
    complete -c $c -l timeout -x -d 'With --coldplug: give up after this time, such as 10s'
    complete -c $c -l until -x -d 'With --coldplug: stop as soon as /dev/device or this module is there'
    complete -c $c -l use-blacklist -s b -d 'Obey blacklist for module names too'
    complete -c $c -l verbose -s v -d 'Print each step before it is done'
    complete -c $c -l version -s V -d 'Print the version'
    complete -c $c -l wait -s w -x -d 'With -r: wait up to so many milliseconds until the module is no longer in use'
    complete -c $c -l weak-update -x -d 'Make, remove, list or check links between the trees of kernels'
    complete -c $c -s j -x -d 'With --coldplug: load at most n modules at the same time'
end
for c in depmod godepmod
    complete -c $c -l all -s a -d 'All modules'
    complete -c $c -l basedir -s b -xa '(__fish_complete_directories)' -d 'The directory that holds lib/modules'
    complete -c $c -l cache -d 'Keep what was read from each module in file, and read only changed ones next time'
    complete -c $c -l check -d 'Compare the tables with the modules, write nothing, and list what differs'
    complete -c $c -l config -s C -rF -d 'Read this file, or the *.conf files of this directory, in place of the directories in depmod.d(5)'
    complete -c $c -l dry-run -l show -s n -d 'Print the tables in text form'
    complete -c $c -l errsyms -s e -d 'With -E or -F: name the symbols that neither the kernel nor a module exports'
    complete -c $c -l filesyms -s F -rF -d 'The kernel\'s System.map'
    complete -c $c -l help -s h -d 'Print a short help'
    complete -c $c -l json -d 'Print everything that was found as JSON on standard output, instead of messages'
    complete -c $c -l keep-going -d 'Write tables even if a module cannot be read: it is named, and listed without aliases and dependencies, as kmod does'
    complete -c $c -l moduledir -s m -xa '(__fish_complete_directories)' -d 'The directory of modules below that of -b, in place of lib/modules'
    complete -c $c -l outdir -s o -xa '(__fish_complete_directories)' -d 'Write the tables below this directory in place of that of -b'
    complete -c $c -l quick -s A -d 'Do nothing if no module is newer than modules.dep'
    complete -c $c -l symbol-prefix -s P -x -d 'The character that this architecture puts before every symbol'
    complete -c $c -l symvers -s E -rF -d 'The kernel\'s Module.symvers: with -e also compare checksums'
    complete -c $c -l verbose -s v -d 'Print which module needs which symbol of which other'
    complete -c $c -l version -s V -d 'Print the version'
    complete -c $c -l warn -s w -d 'Name what has more than one entry in a table where one is expected'
end
for c in modinfo gomodinfo
    complete -c $c -l author -s a -d 'The same as -F author'
    complete -c $c -l basedir -s b -xa '(__fish_complete_directories)' -d 'Look for modules below dir/lib/modules'
    complete -c $c -l description -s d -d 'The same as -F description'
    complete -c $c -l diff -d 'Compare two files: version magic, checksums, parameters, dependencies'
    complete -c $c -l dump-btf -d 'Write the types of a boot image or module in BTF'
    complete -c $c -l dump-symvers -d 'Print the symbols that the files export as a Module.symvers'
    complete -c $c -l exports -d 'Print the symbols that the module exports: checksum, name, namespace, and whether only GPL modules may use it'
    complete -c $c -l field -s F -xa 'alias author depends description filename firmware license parm vermagic version' -d 'Print only the values of this field, one a line'
    complete -c $c -l filename -s n -d 'The same as -F filename'
    complete -c $c -l help -s h -d 'Print a short help'
    complete -c $c -l imports -d 'Print the symbols that the module imports: checksum, name, whether it can do without, and which module here exports it'
    complete -c $c -l json -d 'Print an array of objects, one a module, with the keys name, builtin, filename and compression Po none, gzip, xz or zstd'
    complete -c $c -l license -s l -d 'The same as -F license'
    complete -c $c -l modname -s m -d 'Take the operands as names of modules only, not as aliases or files'
    complete -c $c -l null -s 0 -d 'End each field with a zero byte in place of a newline, and write key=value in place of a table'
    complete -c $c -l parameters -s p -d 'The same as -F parm'
    complete -c $c -l set-version -s k -xa '(__gomodprobe_releases)' -d 'Use the modules of this kernel release in place of the running one\'s'
    complete -c $c -l symbols -d 'With --json: add the arrays exports name, crc, gpl_only, namespace, imports name, crc, weak, providers and versions name, crc'
    complete -c $c -l type -x -d 'Print a type in C, with the places of its members'
    complete -c $c -l version -s V -d 'Print the version'
end
for c in insmod goinsmod
    complete -c $c -l force -s f -d 'Both of the following'
    complete -c $c -l force-modversion -d 'Ignore the checksums of the symbols that the module imports'
    complete -c $c -l force-vermagic -d 'Ignore the kernel version and options that the module was built for'
    complete -c $c -l help -s h -d 'Print a short help'
    complete -c $c -l policy -d 'Obey the forbid and allow lines of modprobe.d(5), by the name of the file and that of the module in it'
    complete -c $c -l syslog -s s -d 'Write messages to the system\'s log'
    complete -c $c -l verbose -s v -d 'Show more messages'
    complete -c $c -l version -s V -d 'Print the version'
end
for c in rmmod gormmod
    complete -c $c -l force -s f -d 'Do not check whether the module is in use, and ask the kernel to remove it nevertheless'
    complete -c $c -l help -s h -d 'Print a short help'
    complete -c $c -l syslog -s s -d 'Write messages to the system\'s log'
    complete -c $c -l verbose -s v -d 'Show more messages'
    complete -c $c -l version -s V -d 'Print the version'
end
for c in lsmod golsmod
    complete -c $c -l help -s h -d 'Print a short help'
    complete -c $c -l json -d 'Print an array of objects, one a module'
    complete -c $c -l syslog -s s -d 'Write messages to the system\'s log'
    complete -c $c -l verbose -s v -d 'Show more messages'
    complete -c $c -l version -s V -d 'Print the version'
end
for c in kmod gokmod
    complete -c $c -l format -s f -xa 'human tmpfiles devname' -d 'human (the default), tmpfiles for tmpfiles.d(5), or devname'
    complete -c $c -l help -s h -d 'Print a short help'
    complete -c $c -l output -s o -rF -d 'Write to this file, making its directory if need be'
    complete -c $c -l root -s b -x -d 'Look in the system whose root is this directory'
    complete -c $c -l set-version -s S -xa '(__gomodprobe_releases)' -d 'Take this kernel instead of the running one'
    complete -c $c -l version -s V -d 'Print the version'
end
for c in goinitramfs
    complete -c $c -l add -xa '(__gomodprobe_modules)' -d 'Take this module, the modules of this alias, all whose names match a pattern nls_*, all whose paths match a pattern with a slash drivers/net/phy/*, all below a folder =drivers/scsi, or the one in this file'
    complete -c $c -l allow-missing -d 'Go on if a module that --add names does not exist, or the file of one that is needed is gone although modules.dep lists it'
    complete -c $c -l append -x -d 'Words for the kernel\'s command line'
    complete -c $c -l base -rF -d 'Put this archive in front, and fit in with its folders and links'
    complete -c $c -l compress -xa 'zstd gzip xz none' -d 'none, which is the default, zstd, gzip or xz, which is the smallest and takes the kernel three times as long to unpack as zstd'
    complete -c $c -l config -d 'Add the configuration of modprobe.d(5)'
    complete -c $c -l disk -rF -d 'A disk for the machine, which is not written to'
    complete -c $c -l dry-run -s n -d 'Print the command only'
    complete -c $c -l early -xa '(__gomodprobe_modules)' -d 'Put this into a member of its own before all others, which is never compressed'
    complete -c $c -l file -d 'Add a file or a folder, under another path if one is given'
    complete -c $c -l firmware -d 'Add the firmware that the modules ask for, if this kernel can read it'
    complete -c $c -l help -s h -d 'Print a short help'
    complete -c $c -l hook -x -d 'Add what a hook needs: the programs, modules, files and scripts in the file list of the folder /etc/gomodprobe/hooks/NAME or /usr/share/gomodprobe/hooks/NAME, or of the folder name, if it has a slash'
    complete -c $c -l host -d 'Take what the devices and the loaded modules of this machine need'
    complete -c $c -l init -rF -d 'Use this program as /init'
    complete -c $c -l kernel -s k -xa '(__gomodprobe_releases)' -d 'The kernel that the image is for'
    complete -c $c -l long -s l -d 'Show modes, owners, sizes, times in UTC, and where the members are as well'
    complete -c $c -l no-hidden -d 'Do not add what no module declares and only experience says is needed, such as sd_mod for any SCSI controller'
    complete -c $c -l no-init -d 'No /init'
    complete -c $c -l no-weak -d 'Do not add weak dependencies'
    complete -c $c -l omit -xa '(__gomodprobe_modules)' -d 'Leave these out, even if others need them'
    complete -c $c -l output -s o -rF -d 'Write the image to this file, which is replaced as a whole or not at all'
    complete -c $c -l profile -rF -d 'Take what another machine wrote down with profile save'
    complete -c $c -l program -rF -d 'The static gomodprobe to put in, as /sbin/modprobe and so on'
    complete -c $c -l remove -d 'Remove the image of the kernel, with the old one, or what install-hooks has installed'
    complete -c $c -l root -xa '(__fish_complete_directories)' -d 'Take modules, firmware and configuration from the system below dir'
    complete -c $c -l tables -x -d 'boot for the tables that loading by name and alias needs, which is the default, all for everything depmod(8) writes, or none'
    complete -c $c -l universal -d 'Take what any usual machine needs to boot'
    complete -c $c -l verbose -s v -d 'Say what is in the image, and which firmware is missing'
    complete -c $c -l version -s V -d 'Print the version'
end
# END options
