# bash completion for modprobe, depmod, modinfo, insmod, rmmod, lsmod, kmod and goinitramfs, and for the same names
# with "go" in front. Options, module names, their parameters, loaded modules, kernel releases.

# __gomodprobe_options TOOL prints its options, those with a value as OPTION:KIND. From docs/man, by
#   go test ./cmd/gomodprobe -run Completion -update
__gomodprobe_options()
{
	case $1 in
	# BEGIN options
	modprobe) echo '--all -a --all-kernels --allow-forbidden --allowlist --audit --built-for:file --chart:file --check --coldplug --config:file -C:file --dirname:dir -d:dir --dry-run -n --dump-modversions --first-time --force -f --force-compatible --force-modversion --force-vermagic --format:human,tmpfiles,devname --help -h --host --ignore-install --ignore-remove -i --image:file --json --kmod --names-none --policy --profile:file --quiet -q --remove -r --remove-dependencies --remove-holders --resolve-alias --show-alias -R --root:dir --set-version:release -S:release --settle:value --show --show-config --showconfig -c --show-depends -D --show-exports --show-modversions --symvers:file --syslog -s --timeout:value --until:value --use-blacklist -b --verbose -v --version -V --wait:value -w:value --weak-update:value -j:value' ;;
	depmod) echo '--all -a --basedir:dir -b:dir --cache --check --config:file -C:file --dry-run --show -n --errsyms -e --filesyms:file -F:file --help -h --json --keep-going --moduledir:dir -m:dir --outdir:dir -o:dir --quick -A --symbol-prefix:value -P:value --symvers:file -E:file --verbose -v --version -V --warn -w' ;;
	modinfo) echo '--author -a --basedir:dir -b:dir --description -d --diff --dump-btf --dump-symvers --exports --field:field -F:field --filename -n --help -h --imports --json --license -l --modname -m --null -0 --parameters -p --set-version:release -k:release --symbols --type:value --version -V' ;;
	insmod) echo '--force -f --force-modversion --force-vermagic --help -h --policy --syslog -s --verbose -v --version -V' ;;
	rmmod) echo '--force -f --help -h --syslog -s --verbose -v --version -V' ;;
	lsmod) echo '--help -h --json --syslog -s --verbose -v --version -V' ;;
	kmod) echo '--format:human,tmpfiles,devname -f:human,tmpfiles,devname --help -h --output:file -o:file --root:value -b:value --set-version:release -S:release --version -V' ;;
	initramfs) echo '--add:modules --allow-missing --append:value --base:file --compress:zstd,gzip,xz,none --config --disk:file --dry-run -n --early:modules --file --firmware --help -h --hook:value --host --init:file --kernel:release -k:release --long -l --no-hidden --no-init --no-weak --omit:modules --output:file -o:file --profile:file --program:file --remove --root:dir --tables:value --universal --verbose -v --version -V' ;;
	# END options
	esac
}

# __gomodprobe_tree sets dir to the modules' directory that the command line, up to the cursor, speaks of.
__gomodprobe_tree()
{
	local root= moduledir=lib/modules release= i word value
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		value=${COMP_WORDS[i + 1]}
		[[ $value == = ]] && value=${COMP_WORDS[i + 2]}
		case $tool$word in
		modprobe-d | modprobe--dirname | *--root | modinfo-b | depmod-b | *--basedir) root=$value ;;
		modprobe-S | *--set-version | modinfo-k | initramfs-k) release=$value ;;
		esac
	done
	dir=${root%/}/$moduledir/${release:-$(uname -r)}
}

# __gomodprobe_modules prints the names of the modules below dir, from the table or, without one, the files.
__gomodprobe_modules()
{
	if [[ -r $dir/modules.dep ]]; then
		sed -n 's|^\([^:]*/\)\{0,1\}\([^/:]*\)\.ko[^:]*:.*|\2|p' "$dir/modules.dep"
	else
		find -L "$dir" -name '*.ko*' 2>/dev/null | sed -n 's|.*/\([^/]*\)\.ko.*|\1|p'
	fi
	sed -n 's|^.*/\([^/]*\)\.ko$|\1|p' "$dir/modules.builtin" 2>/dev/null
}

# __gomodprobe_words WORDS completes one of the words; hyphens and underscores are the same if modules are meant.
__gomodprobe_words()
{
	local IFS=$' \t\n' plain=${cur//-/_}
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur"; [[ $2 == modules && $plain != "$cur" ]] && compgen -W "$1" -- "$plain")
}

# __gomodprobe_value KIND completes the value of an option.
__gomodprobe_value()
{
	case $1 in
	dir) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	release) __gomodprobe_words "$(cd /lib/modules 2>/dev/null && echo *)" ;;
	modules) __gomodprobe_tree; __gomodprobe_words "$(__gomodprobe_modules)" modules ;;
	field) __gomodprobe_words 'alias author depends description filename firmware import_ns intree license name parm retpoline softdep srcversion vermagic version weakdep' ;;
	*,*) __gomodprobe_words "${1//,/ }" ;;
	esac
}

# __gomodprobe_parameters COMMAND MODULE completes parameters of a module.
__gomodprobe_parameters()
{
	local modinfo=${1%modprobe}modinfo parameters
	[[ $1 == *insmod ]] && modinfo=${1%insmod}modinfo
	local at=()
	[[ $2 == */* ]] || at=(-b "${dir%/lib/modules/*}/" -k "${dir##*/}")
	parameters=$("$modinfo" "${at[@]}" -F parm "$2" 2>/dev/null | sed -n 's/^\([^:]*\):.*/\1=/p')
	compopt -o nospace
	__gomodprobe_words "$parameters"
}

# __gomodprobe_files completes module files and directories.
__gomodprobe_files()
{
	local f
	compopt -o filenames
	while IFS= read -r f; do
		[[ -d $f || $f == *.ko || $f == *.ko.@(gz|xz|zst) ]] && COMPREPLY+=("$f")
	done < <(compgen -f -- "$cur")
}

_gomodprobe()
{
	local tool=${1##*/} cur=$2 prev=$3 dir option i
	tool=${tool#go}
	COMPREPLY=()
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	local options
	options=$(__gomodprobe_options "$tool")
	for option in $options; do
		if [[ $option == "$prev":* ]]; then
			__gomodprobe_value "${option#*:}"
			return
		fi
	done
	if [[ $cur == -* ]]; then
		local names=
		for option in $options; do names+=" ${option%%:*}"; done
		__gomodprobe_words "$names"
		return
	fi
	# Operands so far, and what the options make of them.
	local operands=() all= remove= skip= word
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $skip ]]; then skip=; [[ $word == = ]] && skip=1; continue; fi
		case $word in
		--all) all=1 ;;
		--remove | --remove-holders) remove=1 ;;
		--*) ;;
		-*)
			[[ $word == *a* ]] && all=1
			[[ $word == *r* ]] && remove=1
			;;
		*) operands+=("$word") ;;
		esac
		for option in $options; do [[ $option == "$word":* ]] && skip=1; done
	done
	__gomodprobe_tree
	case $tool in
	modprobe)
		if [[ $remove ]]; then
			__gomodprobe_words "$(cut -d' ' -f1 /proc/modules 2>/dev/null)" modules
		elif [[ ${#operands[@]} -gt 0 && ! $all ]]; then
			__gomodprobe_parameters "$1" "${operands[0]}"
		elif [[ $cur == /* || $cur == ./* ]]; then
			__gomodprobe_files
		else
			__gomodprobe_words "$(__gomodprobe_modules)" modules
		fi
		;;
	modinfo)
		if [[ $cur == */* ]]; then
			__gomodprobe_files
		else
			__gomodprobe_words "$(__gomodprobe_modules)" modules
		fi
		;;
	insmod) if [[ ${#operands[@]} -gt 0 ]]; then __gomodprobe_parameters "$1" "${operands[0]}"; else __gomodprobe_files; fi ;;
	rmmod) __gomodprobe_words "$(cut -d' ' -f1 /proc/modules 2>/dev/null)" modules ;;
	depmod) __gomodprobe_value release ;;
	kmod) [[ ${#operands[@]} -eq 0 ]] && __gomodprobe_words 'help list static-nodes' ;;
	initramfs)
		if [[ ${#operands[@]} -eq 0 ]]; then
			__gomodprobe_words 'build ls cat extract diff why check profile boot update install-hooks'
		else
			__gomodprobe_value file
		fi
		;;
	esac
}

complete -F _gomodprobe modprobe depmod modinfo insmod rmmod lsmod kmod
complete -F _gomodprobe gomodprobe godepmod gomodinfo goinsmod gormmod golsmod gokmod goinitramfs
