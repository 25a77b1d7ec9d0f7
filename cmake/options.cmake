# Warnings, hardening and sanitizers ride on one INTERFACE target; no global flags.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release)
endif()

set(CONFAB_SANITIZE "" CACHE STRING "address (with undefined) or thread")
option(CONFAB_COVERAGE "Count executed lines" OFF)

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

add_library(confab_options INTERFACE)
target_compile_definitions(confab_options INTERFACE _GNU_SOURCE CONFAB_VERSION="${PROJECT_VERSION}")
target_compile_options(confab_options INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
    -Wno-gnu-zero-variadic-macro-arguments
    -fstack-protector-strong -fno-omit-frame-pointer
    # The log macros take no field at all ("##__VA_ARGS__"), a GNU extension that both compilers have.
    $<$<C_COMPILER_ID:GNU>:-Wno-pedantic>
    $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2>)
target_link_options(confab_options INTERFACE -Wl,-z,relro,-z,now)
target_link_libraries(confab_options INTERFACE Threads::Threads)

if(CONFAB_SANITIZE STREQUAL "address")
    target_compile_options(confab_options INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all)
    target_link_options(confab_options INTERFACE -fsanitize=address,undefined)
elseif(CONFAB_SANITIZE STREQUAL "thread")
    target_compile_options(confab_options INTERFACE -fsanitize=thread)
    target_link_options(confab_options INTERFACE -fsanitize=thread)
endif()
if(CONFAB_COVERAGE)
    target_compile_options(confab_options INTERFACE --coverage)
    target_link_options(confab_options INTERFACE --coverage)
endif()

# Libraries, each with one home (which layer links it says who may include it).
pkg_check_modules(SQLITE3 REQUIRED IMPORTED_TARGET sqlite3)   # db
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)  # chat (passwords), wire (tokens), http (cookies)
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)    # wire
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv)          # live
