/** Who the people are: made from the seed and their number alone, so they can be made again at any time. */
import { Random } from './random.ts'

const FIRST = [
  'Ada',
  'Ben',
  'Carla',
  'Deniz',
  'Elif',
  'Femi',
  'Grete',
  'Hugo',
  'Ines',
  'Jonas',
  'Kaya',
  'Lena',
  'Milo',
  'Nadia',
  'Ole',
  'Paula',
  'Quirin',
  'Rosa',
  'Samir',
  'Tess',
  'Uma',
  'Viktor',
  'Wanda',
  'Xenia',
  'Yusuf',
  'Zoë',
]
const LAST = [
  'Abel',
  'Berger',
  'Costa',
  'Dahl',
  'Egger',
  'Fischer',
  'García',
  'Haas',
  'Ivanova',
  'Jansen',
  'Kaya',
  'Lang',
  'Moreau',
  'Novák',
  'Okafor',
  'Pohl',
  'Quint',
  'Rossi',
  'Sørensen',
  'Thiel',
  'Urban',
  'Vogel',
  'Weber',
  'Yılmaz',
]
const DOMAINS = ['example.com', 'example.org', 'shop.example', 'studio.example', 'works.example']

/** Which system a person shows up in first. */
export type Path = 'app' | 'billing' | 'support'

export interface Person {
  readonly index: number
  readonly path: Path
  readonly name: string
  readonly email: string
  readonly phone: string
  readonly accountId: string
  readonly customerId: string
  /** What this person hands out to invite others. */
  readonly referralCode: string
  /** Milliseconds by which the clock of this person's device is wrong. */
  readonly skew: number
  readonly platform: string
}

export function makePerson(seed: number, index: number): Person {
  const random = new Random(seed, 4 * index + 1)
  const dice = random.int(1, 100)
  const first = random.pick(FIRST)
  const last = random.pick(LAST)
  const handle = `${plain(first)}.${plain(last)}${index}`
  return {
    index,
    path: dice <= 62 ? 'app' : dice <= 76 ? 'billing' : 'support',
    name: `${first} ${last}`,
    email: `${handle}@${random.pick(DOMAINS)}`,
    phone: `+49${150 + (index % 30)}${String(10_000_000 + ((index * 7919 + random.int(0, 7918)) % 90_000_000))}`,
    accountId: `acc_${code(index, 7)}`,
    customerId: `cus_${code(index * 13 + 5, 8)}`,
    referralCode: `REF-${code(index * 3 + 1, 5).toUpperCase()}`,
    skew: random.chance(4) ? random.int(-600, 600) * 1000 : 0,
    platform: random.pick(['ios', 'android', 'Web', 'iOS']),
  }
}

/** The text as an address book would mangle it: capitals and blanks at the ends, all the same address. */
export function untidyEmail(person: Person, random: Random): string {
  const dice = random.int(1, 20)
  if (dice === 1) return ` ${person.email}`
  if (dice <= 3) return person.email.charAt(0).toUpperCase() + person.email.slice(1)
  return dice === 4 ? person.email.toUpperCase() : person.email
}

/** The number as people write it: with blanks, with hyphens, or plain. */
export function untidyPhone(person: Person, random: Random): string {
  const { phone } = person
  const parts = [phone.slice(0, 3), phone.slice(3, 6), phone.slice(6, 9), phone.slice(9)]
  return random.pick([phone, parts.join(' '), `${parts[0]} ${parts[1]} ${parts[2]}-${parts[3]}`])
}

function plain(name: string): string {
  return (
    name
      .normalize('NFD')
      .replace(/[^A-Za-z]/g, '')
      .toLowerCase() || 'x'
  )
}

/** A number as a fixed-width text that does not look like a counter; distinct for distinct numbers. */
function code(n: number, width: number): string {
  const space = 36 ** width
  // Multiplying by a number coprime to 36 and adding keeps the map one to one.
  const mixed = (BigInt(n) * 982_451_653n + 104_729n) % BigInt(space)
  return mixed.toString(36).padStart(width, '0')
}
