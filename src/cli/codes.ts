/** What every code means and what to do about it, for `explain` (spec 01 §5, 10 §4.5). */

export interface CodeHelp {
  readonly means: string
  readonly help: string
}

const define = (
  entries: readonly (readonly [code: string, means: string, help: string])[],
): ReadonlyMap<string, CodeHelp> => new Map(entries.map(([code, means, help]) => [code, { means, help }]))

export const CODES = define([
  [
    'E01',
    'a value of the wrong kind, or a malformed effect',
    'An effect is `create` or a map with exactly one key: transition, set, increment or relate.',
  ],
  [
    'E02',
    'a required key is missing',
    'Entities need starts, identity and states; sources event_type, timestamp and events; schemas fields.',
  ],
  [
    'E03',
    'an unknown effect kind, time rule type, match, sensitive or treatment',
    'Use one of the words the message lists.',
  ],
  [
    'E04',
    'a name that cannot be used, or two names equal but for case',
    'Entity types, properties and relationship types: letters, digits and _, not a digit first, at most 48 characters.',
  ],
  [
    'E05',
    'an expression that does not parse or calls what does not exist',
    'The message names the column; the roots are event, entity or value, depending on the place.',
  ],
  ['E06', 'a threshold that is no positive duration', 'Write digits and a unit: 30d, 12h, 45m, 10s.'],
  ['E07', 'an entity without states', 'Give it at least the state named by starts.'],
  ['E08', 'starts names no state of the entity', 'Add the state, or correct the name.'],
  ['E09', 'an entity without identity field', 'Name at least one field that recognizes the entity.'],
  ['E10', 'an unknown type', 'Types are string, number, integer, boolean and datetime.'],
  ['E11', 'a literal that is not of the declared type', 'Booleans are not numbers; datetimes are ISO 8601 text.'],
  ['E12', 'a constraint that cannot hold', 'The default must fit allowed, min and max; min and max are for numbers.'],
  ['E13', 'a property with the name of a system column', 'Choose another name; the message lists the reserved one.'],
  [
    'E14',
    'a computed property that is written, has a default, or depends on itself',
    'Computed properties are recalculated after every change; nothing else may write them.',
  ],
  ['E15', 'a handler or time rule without effects', 'Add an effect or remove the handler.'],
  ['E16', 'a transition to a state that does not exist', 'Add the state, or correct the name.'],
  ['E17', 'an effect on a property that is not declared', 'Declare it under properties with its type.'],
  ['E18', 'a set without value source, or with more than one', 'Give exactly one of from, value and compute.'],
  [
    'E19',
    'an increment on a property that is not numeric, or with a bad step',
    'Increment needs number or integer; by is finite, whole for integer.',
  ],
  [
    'E20',
    'no handler creates the entity',
    'Some handler of the starts state, or an always handler, needs the effect create.',
  ],
  ['E21', 'an effect before create', 'Put create first in the handler.'],
  ['E22', 'a state that nothing leads to', 'Add a transition to it, or remove the state.'],
  [
    'E23',
    'a relationship that does not fit together',
    'Check target, cardinality and inverse; both sides declare the same properties.',
  ],
  [
    'E24',
    'a relate effect that does not match its declaration',
    'Type and target must be declared; hints name identity fields of the target.',
  ],
  [
    'E25',
    'a source that cannot find or identify its events',
    'Name event_type and timestamp; every event needs a hint; a raw_type occurs once.',
  ],
  [
    'E26',
    'a mapping or hint that contradicts itself',
    'from and compute exclude each other; hints name mapped identity fields of existing entities.',
  ],
  ['E27', 'a handled event type without schema', 'With schemas present every handled event type needs one.'],
  ['E28', 'a produced event type without schema', 'With schemas present every produced event type needs one.'],
  ['E29', 'a required schema field that no mapping produces', 'Map it in the source, or make it optional.'],
  ['E30', 'a mapped field the schema does not know, or with another type', 'Declare the field, or correct its type.'],
  [
    'E31',
    'a schema constraint on a type it does not fit',
    'min and max are for numbers, min_length and regex for strings.',
  ],
  [
    'E32',
    'a duplicate name or key, or a file that cannot be read',
    'Every definition and every key of a map occurs once; files are UTF-8 YAML 1.2.',
  ],
  ['W01', 'a state that is never left', 'Right for an end state; otherwise add a transition.'],
  ['W02', 'an event identifies an entity that never handles it', 'Add a handler, or remove the hint.'],
  ['W03', 'a property that only queries read', 'Right if you query it.'],
  ['W04', 'treatment without sensitive', 'Say which kind of personal data it is: pii, phi or pci.'],
  ['W05', 'a handler waits for an event no source produces', 'Check the spelling of the event type.'],
  [
    'W06',
    'a repeated event may be dropped although it should count',
    'Set event_id to the fields that tell two occurrences apart.',
  ],
  ['W07', 'a mapping that is always null', 'Check the path.'],
  [
    'W08',
    'a name that is always null here',
    'No event exists in time rules and computed properties; check property names.',
  ],
  ['W09', 'an unknown key', 'Check the spelling; keys beginning with x- are yours.'],
  ['W10', 'a field that expressions cannot name', 'Use letters, digits and _.'],
  [
    'W11',
    'a file or folder that is ignored',
    'Only .yaml and .yml directly inside entities, sources, schemas and pipelines are read.',
  ],
  ['W12', 'time rules that follow each other for ever', 'Some state of the circle must wait for an event.'],
  ['W13', 'the wall clock in an expression', 'Rebuilds at another time give another result; use the event clock.'],
  ['E_USAGE', 'a command line that cannot be run', 'See the command with --help. Exit 2.'],
  [
    'E_CONFIG',
    'a wrong option, URL or configuration',
    'See where each value comes from with `defacto config show --origin`. Exit 2.',
  ],
  ['E_CONFIG_UNKNOWN_KEY', 'a key the configuration does not know', 'The message suggests the nearest one. Exit 2.'],
  [
    'E_CONFIG_SECRET',
    'a secret that cannot be resolved',
    'Set the variable or provide the file that the reference names. Exit 2.',
  ],
  ['E_MIGRATION', 'database tables of another level than the package needs', 'Run `defacto migrate`. Exit 2.'],
  ['E_QUERY', 'a query that cannot be run', 'The message lists every problem with its position. Exit 2.'],
  ['E_DEFINITION', 'definitions with errors', 'Run `defacto check`. Exit 3.'],
  [
    'E_VALIDATION',
    'an event that breaks its schema where a call asks for it',
    'Correct the record or the schema. Exit 3.',
  ],
  ['E_INGEST', 'every record of a call failed', 'See them with `defacto dlq list`. Exit 4.'],
  [
    'E_THRESHOLD',
    'more bad records than allowed',
    'What was read stays; mend the input and read it again, nothing counts twice. Exit 4.',
  ],
  ['E_CHECK', 'a blocking check failed', 'Exit 5.'],
  ['E_LOCK_HELD', 'another process works on the space', 'Wait, or see who with `defacto doctor`. Exit 6.'],
  ['E_FENCED', 'another process took over', 'Nothing of this one was written after that. Exit 6.'],
  [
    'E_NOT_FOUND',
    'an entity, version, source or type that does not exist',
    'The message lists the known ones. Exit 7.',
  ],
  ['E_CONFIRMATION', 'a destructive command without confirmation', 'Add --yes. Exit 8.'],
  ['E_STORAGE', 'the database or a file could not be used', 'Recoverable ones exit 9: run again. Others exit 1.'],
  ['E_BUILD', 'a build could not go on', 'Nothing half done is visible; the next build continues. Exit 1.'],
  ['E_IDENTITY', 'an impossible merge or a contradictory mapping', 'Exit 1.'],
  ['E_TIMEOUT', '--timeout ran out', 'What was committed stays; run again to continue. Exit 124.'],
  ['E_INTERRUPTED', 'stopped by Ctrl-C', 'What was committed stays; run again to continue. Exit 130.'],
  ['E_INTERNAL', 'a fault of the program', 'Run again with -v to see where it arose. Exit 1.'],
])
