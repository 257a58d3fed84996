# The one place for flags, and the two functions every folder uses.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

find_program(LOCO_CCACHE ccache)
if(LOCO_CCACHE)
  # With paths relative to the checkout, so that a clone elsewhere on the machine hits the same cache.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${LOCO_CCACHE})
endif()
find_program(LOCO_MOLD mold)

find_package(Threads REQUIRED)

add_library(loco_flags INTERFACE)
target_include_directories(loco_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(loco_flags INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Werror
  -Wno-missing-designated-field-initializers  # members have defaults in the struct: naming all of them is noise
  -fno-omit-frame-pointer -fstack-protector-strong
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
target_link_libraries(loco_flags INTERFACE Threads::Threads)
target_link_options(loco_flags INTERFACE -Wl,--as-needed)
if(LOCO_MOLD)
  target_link_options(loco_flags INTERFACE -fuse-ld=mold)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_definitions(loco_flags INTERFACE _FORTIFY_SOURCE=2)
  target_link_options(loco_flags INTERFACE -Wl,-z,relro,-z,now)
endif()
if(LOCO_SANITIZE)
  target_compile_options(loco_flags INTERFACE -fsanitize=${LOCO_SANITIZE} -fno-sanitize-recover=all)
  string(REPLACE "fuzzer-no-link," "" link_sanitize "${LOCO_SANITIZE}")
  target_link_options(loco_flags INTERFACE -fsanitize=${link_sanitize})
endif()
if(LOCO_COVERAGE)
  target_compile_options(loco_flags INTERFACE -fprofile-instr-generate -fcoverage-mapping)
  target_link_options(loco_flags INTERFACE -fprofile-instr-generate)
endif()

# loco_library(NAME SOURCES … DEPS … [PRIVATE_DEPS …]): the static library loco_NAME of one folder.
# DEPS are what its headers need, PRIVATE_DEPS what only its sources need.
function(loco_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(loco_${name} STATIC ${arg_SOURCES})
  target_link_libraries(loco_${name} PUBLIC loco_flags ${arg_DEPS} PRIVATE ${arg_PRIVATE_DEPS})
endfunction()

# loco_program(NAME SOURCES … DEPS …): a program in build/PRESET/bin.
function(loco_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE loco_flags ${arg_DEPS})
endfunction()

# loco_test(NAME SOURCES … DEPS … [LABEL unit|contract|simulation]): a GoogleTest program, run by ctest as one test.
function(loco_test name)
  cmake_parse_arguments(arg "" "LABEL" "SOURCES;DEPS" ${ARGN})
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_definitions(${name} PRIVATE LOCO_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE loco_flags ${arg_DEPS} GTest::gtest_main GTest::gmock)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${arg_LABEL} TIMEOUT 600)
endfunction()

# loco_fuzz(NAME SOURCES … DEPS …): a libFuzzer program in build/fuzz/bin.
function(loco_fuzz name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE loco_flags ${arg_DEPS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
endfunction()
