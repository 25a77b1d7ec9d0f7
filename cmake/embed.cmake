# confab_embed(TARGET name SYMBOL symbol FILES …): files become a sorted C table in the program.
#
# Generates <symbol>.c with
#     const struct embedded_file <symbol>[]; const size_t <symbol>_count;
# sorted by base name (see include/confab/embed.h). Regenerated when a file changes.
function(confab_embed)
    cmake_parse_arguments(E "" "TARGET;SYMBOL" "FILES" ${ARGN})
    set(out ${CMAKE_CURRENT_BINARY_DIR}/${E_SYMBOL}.c)
    add_custom_command(OUTPUT ${out}
        COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DSYMBOL=${E_SYMBOL} "-DFILES=${E_FILES}" -P ${PROJECT_SOURCE_DIR}/cmake/embed_files.cmake
        DEPENDS ${E_FILES} ${PROJECT_SOURCE_DIR}/cmake/embed_files.cmake
        VERBATIM)
    target_sources(${E_TARGET} PRIVATE ${out})
endfunction()
